"""Bounds what engines keep between jobs in a worker's data folder: downloads, decoded images, compiled code.

An entry is a file or folder directly below one of the cache's folders. Engines touch what they use. What has been used
since the oldest running attempt began is never removed, nor are the folders that bound themselves (stored teacher
passes and small results).
"""

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from store.growth import Swept
from store.settings import Settings
from worker.folder import held

# These remove their own least recently used entries, within limits of their own.
BOUNDED = ("teacher-pass", "result-cache", "adapted-teachers")
UNFINISHED_SECONDS = 86_400.0  # a file that a killed engine left half written
# A file system notes that a file was read no more than once a day (relatime).
READ_SECONDS = 25 * 3600.0


@dataclass(frozen=True)
class Entry:
    """A file or folder of the cache: what it holds, and when it was last used, in seconds since 1970."""

    path: Path
    kind: str
    num_bytes: int
    used_at: float


class CacheSweep:
    """Sweeps one cache folder; `attempts` holds the folders of the attempts that use it."""

    def __init__(self, cache: Path, attempts: Path, settings: Settings) -> None:
        self._cache = cache
        self._attempts = attempts
        self._most = settings.max_cache_bytes
        self._seconds = settings.cache_seconds

    def sweep(self, *, lacking_bytes: int = 0, dry_run: bool = False) -> list[Swept]:
        """Remove what is due: unused for too long, or the longest unused beyond the limit or until `lacking_bytes` are
        free. The figures by kind; none while another worker of the folder sweeps."""
        with _alone(self._cache) as is_alone:
            if not is_alone:
                return []
            entries = sorted(self._entries(), key=lambda entry: entry.used_at)
            due = self._due(entries, lacking_bytes)
            gone = [] if dry_run else [entry for entry in due if _remove(entry.path)]
            return self._told(entries, due if dry_run else [], gone)

    def _due(self, entries: list[Entry], lacking_bytes: int) -> list[Entry]:
        before = self._free_before()
        excess = max(sum(entry.num_bytes for entry in entries) - self._most, lacking_bytes)
        found = []
        for entry in entries:
            if entry.kind in BOUNDED or entry.used_at >= before:
                continue
            unused = time.time() - entry.used_at
            unfinished = entry.path.name.endswith(".part") and unused > UNFINISHED_SECONDS
            if unfinished or unused > self._seconds or excess > 0:
                found.append(entry)
                excess -= entry.num_bytes
        return found

    def _free_before(self) -> float:
        """What was last used before this moment is used by no running attempt."""
        began = []
        for folder in held(self._attempts):
            try:
                began.append((folder / "spec.json").stat().st_mtime)
            except FileNotFoundError:  # it begins or ends in this moment
                began.append(time.time())
        return min(began) - READ_SECONDS if began else time.time()

    def _entries(self) -> Iterator[Entry]:
        for folder in self._cache.iterdir() if self._cache.is_dir() else ():
            if not folder.is_dir():
                continue
            for path in folder.iterdir():
                num_bytes, used_at = _measure(path)
                yield Entry(path, folder.name, num_bytes, used_at)

    def _told(self, entries: list[Entry], due: list[Entry], gone: list[Entry]) -> list[Swept]:
        reason = f"unused for {self._seconds / 86_400:g} days, or the longest unused beyond {self._most >> 20} MiB"
        return [
            Swept(
                f"cache: {kind}",
                "bounded by its own limit" if kind in BOUNDED else reason,
                *_sums(entries, kind, without=gone),
                *_sums(due, kind),
                *_sums(gone, kind),
            )
            for kind in sorted({entry.kind for entry in entries})
        ]


def _sums(entries: list[Entry], kind: str, without: list[Entry] | None = None) -> tuple[int, int]:
    left = [entry.num_bytes for entry in entries if entry.kind == kind and entry not in (without or [])]
    return len(left), sum(left)


def _measure(path: Path) -> tuple[int, float]:
    """Bytes on the disk and the time of the last use, of a file or of all below a folder."""
    num_bytes, used_at = 0, 0.0
    paths = [path]
    if path.is_dir() and not path.is_symlink():
        paths += [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    for one in paths:
        try:
            about = one.lstat()
        except FileNotFoundError:
            continue
        num_bytes += 512 * about.st_blocks
        used_at = max(used_at, about.st_mtime, 0.0 if stat.S_ISDIR(about.st_mode) else about.st_atime)
    return num_bytes, used_at


def _remove(path: Path) -> bool:
    """Take the entry out of sight in one step, so that no engine finds a part of it; then remove it."""
    hidden = path.with_name(f".{path.name[:200]}.swept")
    try:
        path.rename(hidden)
    except OSError:
        return False
    if hidden.is_dir() and not hidden.is_symlink():
        shutil.rmtree(hidden, ignore_errors=True)
    else:
        hidden.unlink(missing_ok=True)
    return True


@contextmanager
def _alone(cache: Path) -> Iterator[bool]:
    """Whether no other process sweeps the folder meanwhile."""
    cache.mkdir(parents=True, exist_ok=True)
    lock = os.open(cache / ".sweep.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)
