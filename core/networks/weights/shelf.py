"""The operator's shelf: published weights by the architecture's name, in a folder or in a bucket, so that machines
without the libraries' downloads have pretrained teachers and students.

`records/<architecture>.json` names the file of an architecture, `files/<sha256>.safetensors` holds it. A record is
written after its file, so an interrupted addition leaves the shelf as it was. Needs no torch: `retort weights list` and
workers read the records alone.
"""

import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.data import buckets
from core.errors import SpecInvalid, TeacherLoadFailed, UserError, unknown
from core.files.atomic import write_atomically
from core.policy import Policy
from core.spec.uris.reason import Unreachable

RECORDS, FILES = "records", "files"
BUCKETS = ("s3", "gs", "hf")
# A file without a record may be that of an addition that is about to write it.
ABANDONED_SECONDS = 3600.0


class Entry(BaseModel):
    """What the shelf holds for one architecture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    names: tuple[str, ...] = Field(description="all names of this architecture that mean these weights")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the file on the shelf")
    size_bytes: int
    num_params: int
    num_classes: int
    source: str = Field(description="name of the file that was added")
    source_sha256: str
    added_at: datetime


class Shelf:
    """The weights at `place`: a folder's path, or the URI of a bucket (s3:, gs:, hf:), which is copied to `cache`."""

    def __init__(self, place: str, cache: Path | None, policy: Policy) -> None:
        self.place, self._cache, self._policy = place, cache, policy

    def entries(self) -> tuple[Entry, ...]:
        """All that is on the shelf, by name; raises TeacherLoadFailed for a damaged record or a bucket that does not
        answer.
        """
        folder = self._local(RECORDS)
        if folder is None or not folder.is_dir():
            return ()
        return tuple(_read(path, folder) for path in sorted(folder.rglob("*.json")))

    def entry(self, architecture: str) -> Entry | None:
        """What the shelf holds for the architecture, if anything; raises as `entries` does."""
        folder = self._local(RECORDS)
        path = folder / f"{architecture}.json" if folder is not None else None
        return _read(path, folder) if path is not None and folder is not None and path.is_file() else None

    def file(self, entry: Entry) -> Path:
        """The file of an entry on this machine, its content checked; raises TeacherLoadFailed."""
        path = self._local(f"{FILES}/{entry.sha256}.safetensors")
        told = f"the weights of {entry.architecture} on the shelf {self.place}"
        again = f"add them again: retort weights add {entry.architecture} FILE"
        if path is None or not path.is_file():
            raise TeacherLoadFailed(f"{told} are missing: no {FILES}/{entry.sha256}.safetensors", hint=again)
        if (actual := sha256_of(path)) != entry.sha256:
            raise TeacherLoadFailed(
                f"{told} are damaged: {path.name} has the sha256 {actual}, not {entry.sha256}", hint=again
            )
        return path

    def add(self, entry: Entry, content: bytes) -> None:
        """Put a file and then its record on the shelf; it replaces what the architecture had."""
        folder = self._own_folder()
        write_atomically(folder / FILES / f"{entry.sha256}.safetensors", content)
        write_atomically(folder / RECORDS / f"{entry.architecture}.json", entry.model_dump_json(indent=2))
        self._sweep()

    def remove(self, architecture: str) -> None:
        """Take an architecture's weights off the shelf; raises UserError, with similar names, if it has none."""
        records = self._own_folder() / RECORDS
        names = sorted(path_name(path, records) for path in records.rglob("*.json"))
        if architecture not in names:
            raise UserError(unknown("weights on the shelf", architecture, names))
        try:
            removed = self.entry(architecture)
        except TeacherLoadFailed:  # a damaged record, which is why it is removed
            removed = None
        (records / f"{architecture}.json").unlink()
        self._sweep(removed)

    def _sweep(self, removed: Entry | None = None) -> None:
        """Remove the files that no record names: that of a removed entry, and others unless they are new."""
        try:
            used = {entry.sha256 for entry in self.entries()}
        except TeacherLoadFailed:  # what a damaged record names cannot be told
            return
        for path in (self._own_folder() / FILES).iterdir():
            is_old = time.time() - path.stat().st_mtime > ABANDONED_SECONDS
            if path.stem not in used and (is_old or (removed is not None and path.stem == removed.sha256)):
                path.unlink(missing_ok=True)

    def _own_folder(self) -> Path:
        if _scheme(self.place) in BUCKETS:
            detail = f"{self.place} is a bucket; add to a folder (--shelf FOLDER) and copy the folder there"
            raise SpecInvalid([("", detail)])
        return Path(self.place)

    def _local(self, below: str) -> Path | None:
        """The file or folder `below` the place, downloaded where it is in a bucket; None where there is none."""
        if _scheme(self.place) not in BUCKETS:
            return Path(self.place.removeprefix("file://")) / below
        if self._cache is None:
            raise TeacherLoadFailed(f"the shelf {self.place} is a bucket, and no folder for downloads is named")
        try:
            return buckets.download(f"{self.place.rstrip('/')}/{below}", self._cache, policy=self._policy)
        except Unreachable as error:
            raise TeacherLoadFailed(
                f"the shelf of weights {self.place} could not be read: {error}", hint=error.hint or ""
            ) from None


def shelf_of(policy: Policy, cache: Path | None) -> Shelf | None:
    """The shelf that the operator's policy names, if any."""
    return Shelf(policy.weights_shelf, cache, policy) if policy.weights_shelf else None


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def path_name(record: Path, records: Path) -> str:
    """The architecture of a record by its place."""
    return str(record.relative_to(records)).removesuffix(".json")


def now() -> datetime:
    """The time of an addition, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def _scheme(place: str) -> str:
    return place.partition(":")[0] if "://" in place else ""


def _read(path: Path, records: Path) -> Entry:
    name = path_name(path, records)
    try:
        entry = Entry.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else f"{error.error_count()} fields are wrong"
        raise TeacherLoadFailed(
            f"the shelf's record of {name} is damaged ({why})",
            hint=f"remove it and add the weights again: retort weights remove {name}",
        ) from None
    if entry.architecture != name.replace(os.sep, "/"):
        raise TeacherLoadFailed(f"the shelf's record of {name} is that of {entry.architecture}")
    return entry
