"""Zip and tar archives, read in place and never extracted, so that no member can be written outside a folder.

Names are refused all the same (absolute, `..`, drive letters, NUL, links, devices, duplicates), since an
archive that carries them is broken or hostile, and their sizes are bounded before a byte is inflated. Both libraries
give at most the bytes that a member's header promises, so the sum of the promised sizes bounds what can come out; a
header that lies low gives a damaged member. tar.gz is inflated once, as one file, into the cache.
"""

import gzip
import io
import os
import re
import stat
import tarfile
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from core.data.litter import is_litter
from core.data.tree import MAX_DEPTH, READ_BYTES, file_sha256
from core.data.zip_names import member_names
from core.errors import DatasetInvalid
from core.files.atomic import atomic_path
from core.policy import Policy

# For fewer bytes the ratio is not checked: small archives of plain images have high ratios without any fault.
FREE_BYTES = 64 << 20
MAX_NAME_LENGTH = 1024
_DRIVE = re.compile(r"^[A-Za-z]:")
_END_OF_DIRECTORY = b"PK\5\6"
_ZIP64_LOCATOR = b"PK\6\7"
# bzip2 and LZMA give gigabytes for a few kilobytes in one step, which the library takes whole into memory.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_FOREIGN_METHODS = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd",
}  # fmt: skip
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


def check_name(name: str) -> None:
    """Raise DatasetInvalid for a member's name that could lead out of a folder or mislead a reader of messages."""
    parts = re.split(r"[/\\]", name)
    if not name or "\0" in name:
        raise DatasetInvalid(f"the archive holds a member with an empty or NUL-bearing name: {name!r}")
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        raise DatasetInvalid(f"the archive's member {name!r} has an absolute path")
    if ".." in parts:
        raise DatasetInvalid(f"the archive's member {name!r} climbs out of its folder")
    if len(name) > MAX_NAME_LENGTH or len(parts) > MAX_DEPTH:
        raise DatasetInvalid(f"the archive's member {name[:80]!r}... has a name too long or too deep")


def check_distinct(names: Iterable[str]) -> None:
    """Raise DatasetInvalid where two members have one name; names that differ by case alone are two."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DatasetInvalid(f"the archive holds {name!r} twice")
        seen.add(name)


def check_storable(names: Iterable[str]) -> None:
    """Raise DatasetInvalid where two names would be one file on a file system that folds case or Unicode forms."""
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            how = "twice" if seen[folded] == name else f"and {seen[folded]!r}, which differ only by case"
            raise DatasetInvalid(f"the archive holds {name!r} {how}")
        seen[folded] = name


def check_sizes(total: int, archive_bytes: int, policy: Policy) -> None:
    """Raise DatasetInvalid where an archive of so many bytes would give more than the policy allows."""
    if total > policy.max_extracted_bytes:
        raise DatasetInvalid(f"the archive holds {total} bytes; allowed are {policy.max_extracted_bytes}")
    if total > FREE_BYTES and total > policy.max_compression_ratio * max(1, archive_bytes):
        raise DatasetInvalid(
            f"the archive's {archive_bytes} bytes would become {total} bytes; allowed is"
            f" {policy.max_compression_ratio:g}-fold (a decompression bomb?)"
        )


class ZipTree:
    """A zip file."""

    def __init__(self, path: Path, *, policy: Policy) -> None:
        self.path, self.policy = path, policy
        self.where = path.name
        _check_entry_count(path, policy.max_archive_entries)
        try:
            self._zip = zipfile.ZipFile(path)
        except (*_DAMAGED, UnicodeDecodeError) as error:
            raise DatasetInvalid(f"{path.name!r} is no whole zip file (truncated?): {error}") from None
        self._members = self._accept(self._zip.infolist(), policy)
        self.paths = tuple(sorted(path for path in self._members if not is_litter(path)))
        folders = [name.rstrip("/") for name in self._names if name.endswith("/")]
        self.folders = tuple(name for name in folders if not is_litter(name))
        self.num_litter = len(self._names) - len(self.paths) - len(self.folders)

    def _accept(self, infos: list[zipfile.ZipInfo], policy: Policy) -> dict[str, zipfile.ZipInfo]:
        if len(infos) > policy.max_archive_entries:
            raise DatasetInvalid(f"{self.where!r} holds {len(infos)} entries; allowed are {policy.max_archive_entries}")
        for info in infos:
            check_name(info.orig_filename)
            check_zip_kind(info)
        self._names = member_names(infos, self.where)
        for name in self._names:
            check_name(name)
        check_distinct(self._names)
        check_sizes(sum(info.file_size for info in infos), self.path.stat().st_size, policy)
        return {name: info for name, info in zip(self._names, infos, strict=True) if not name.endswith("/")}

    def read(self, path: str, most: int | None = None) -> bytes:
        """The content of a member; raises DatasetInvalid if it is absent, damaged, or larger than `most` bytes."""
        info = self._members.get(path)
        if info is None:
            raise DatasetInvalid(f"{path!r} is not in {self.where!r}")
        if most is not None and info.file_size > most:
            raise DatasetInvalid(f"{path!r} is larger than {most} bytes")
        try:
            data = self._zip.read(info)
        except _DAMAGED as error:
            raise DatasetInvalid(f"{path!r} in {self.where!r} is damaged: {error or type(error).__name__}") from None
        if len(data) != info.file_size:
            raise DatasetInvalid(
                f"{path!r} in {self.where!r} has {len(data)} bytes where its header says {info.file_size}"
            )
        return data

    def head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a member; raises DatasetInvalid as `read` does."""
        if path not in self._members:
            raise DatasetInvalid(f"{path!r} is not in {self.where!r}")
        try:
            with self._zip.open(self._members[path]) as file:
                return file.read(size)
        except _DAMAGED as error:
            raise DatasetInvalid(f"{path!r} in {self.where!r} is damaged: {error or type(error).__name__}") from None

    def open(self, path: str) -> BinaryIO:
        """The member as a seekable file."""
        return io.BytesIO(self.read(path))

    def neighbours(self) -> tuple[str, ...]:
        """None: an archive has no files beside its members."""
        return ()

    def identity(self) -> str:
        """The sha256 of the archive."""
        return file_sha256(self.path)


def check_zip_kind(info: zipfile.ZipInfo) -> None:
    """Raise DatasetInvalid for a member that is a link, a device, encrypted, or packed by a method that is not read."""
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        raise DatasetInvalid(f"the archive's member {info.filename!r} is a link")
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DatasetInvalid(f"the archive's member {info.filename!r} is a device or pipe")
    if info.flag_bits & 1:
        raise DatasetInvalid(f"the archive's member {info.filename!r} is encrypted")
    if info.compress_type not in _METHODS:
        name = _FOREIGN_METHODS.get(info.compress_type, "unknown")
        raise DatasetInvalid(
            f"the archive's member {info.filename!r} is packed by compression method {info.compress_type} ({name}), "
            "which is not supported",
            hint="zip again by the usual method, Deflate (Windows Explorer takes another above 2 GB)",
            pointer="/dataset/uri",
        )


def _check_entry_count(path: Path, most: int) -> None:
    """Read the number of entries from the end record, before the library builds an object for each."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65_557))  # 22 bytes of record and at most 65,535 of comment
        tail = file.read()
    at = tail.rfind(_END_OF_DIRECTORY)
    if at < 0:
        return
    count = int.from_bytes(tail[at + 10 : at + 12], "little")
    locator = tail[at - 20 : at]
    if count == 0xFFFF and locator.startswith(_ZIP64_LOCATOR):
        with path.open("rb") as file:
            file.seek(int.from_bytes(locator[8:16], "little") + 32)
            count = int.from_bytes(file.read(8), "little")
    if count > most:
        raise DatasetInvalid(f"{path.name!r} holds {count} entries; allowed are {most}")


class TarTree:
    """A tar file without compression: members are found once, then read by their place."""

    def __init__(self, path: Path, *, policy: Policy, where: str | None = None) -> None:
        self.path, self.policy = path, policy
        self.where = where or path.name
        self._file = path.open("rb")
        self._lock = threading.Lock()
        self._places: dict[str, tuple[int, int]] = {}
        self._folders: list[str] = []
        self._index(policy)
        self.paths = tuple(sorted(path for path in self._places if not is_litter(path)))
        self.folders = tuple(sorted(name for name in self._folders if not is_litter(name)))
        self.num_litter = len(self._places) + len(self._folders) - len(self.paths) - len(self.folders)

    def _index(self, policy: Policy) -> None:
        size = os.fstat(self._file.fileno()).st_size
        names: list[str] = []
        last = None
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                for member in tar:
                    last = member.name
                    self._add(member, size)
                    names.append(member.name)
                    tar.members = []  # type: ignore[attr-defined]  # the library keeps every member otherwise
                    if len(names) > policy.max_archive_entries:
                        raise DatasetInvalid(f"{self.where!r} holds more than {policy.max_archive_entries} entries")
                self._file.seek(tar.offset)
        except (tarfile.TarError, *_DAMAGED) as error:
            at = f" after {last!r}" if last else ""
            raise DatasetInvalid(f"{self.where!r} is no whole tar file (truncated{at}?): {error}") from None
        # The library takes any block that is no header for the end; the true end is a block of zeros.
        if self._file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise DatasetInvalid(f"{self.where!r} ends without the mark of its end: truncated after {last!r}")
        check_distinct(names)

    def _add(self, member: tarfile.TarInfo, size: int) -> None:
        check_name(member.name)
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise DatasetInvalid(f"the archive's member {member.name!r} is a link, device, pipe or sparse file")
        if member.offset_data + member.size > size:
            raise DatasetInvalid(f"{self.where!r} is truncated: {member.name!r} reaches beyond its end")
        name = member.name.removeprefix("./")
        if member.isreg():
            self._places[name] = (member.offset_data, member.size)
        else:
            self._folders.append(name)

    def read(self, path: str, most: int | None = None) -> bytes:
        """The content of a member; raises DatasetInvalid if it is absent, damaged, or larger than `most` bytes."""
        length = self._span(path)[1]
        if most is not None and length > most:
            raise DatasetInvalid(f"{path!r} is larger than {most} bytes")
        return self.head(path, length)

    def head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a member; raises DatasetInvalid as `read` does."""
        start, length = self._span(path)
        with self._lock:
            self._file.seek(start)
            return self._file.read(min(length, size))

    def _span(self, path: str) -> tuple[int, int]:
        """Where a member starts in the file, and its bytes."""
        if path not in self._places:
            raise DatasetInvalid(f"{path!r} is not in {self.where!r}")
        return self._places[path]

    def open(self, path: str) -> BinaryIO:
        """The member as a seekable file."""
        return io.BytesIO(self.read(path))

    def neighbours(self) -> tuple[str, ...]:
        """None: an archive has no files beside its members."""
        return ()

    def identity(self) -> str:
        """The sha256 of the archive."""
        return file_sha256(self.path)


def inflate(path: Path, cache: Path, *, policy: Policy) -> Path:
    """The tar inside a .tar.gz, inflated whole or not at all into the cache. DatasetInvalid for bombs and stumps."""
    target = cache / "inflated" / f"{file_sha256(path)}.tar"
    if target.exists():
        return target
    archive_bytes = path.stat().st_size
    with atomic_path(target) as temporary, temporary.open("wb") as out:
        written = 0
        try:
            with gzip.open(path) as source:
                while block := source.read(READ_BYTES):
                    written += len(block)
                    check_sizes(written, archive_bytes, policy)
                    out.write(block)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DatasetInvalid(f"{path.name!r} is truncated or damaged: {error}") from None
    return target
