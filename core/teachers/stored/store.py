"""The folder of stored teacher passes: one file for each view, checked when it is opened; the least recently used
passes are removed first.

A pass is a folder named by its content address. Each job that uses it holds a shared lock on its lock file; a job that
removes it holds an exclusive lock. Two jobs that write the same view write the same bytes, each in one atomic step. A
view file has records of fixed length and a CRC-32 over all of them. It gets its full length before its first record, so
that other jobs, which look for space one after the other, count it.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from core.files.atomic import atomic_path

BLOCK_BYTES = 16 << 20
CRC_BYTES = 4
_ROOM_LOCK = ".room.lock"
_log = logging.getLogger(__name__)


class NoRoom(Exception):
    """There is no space for a view: the passes that fill the operator's limit are in use."""


class PassStore:
    """One pass: views of `num_records` records of `record_bytes`, below `root`, which holds `max_bytes` at most."""

    def __init__(self, root: Path, address: str, *, num_records: int, record_bytes: int, max_bytes: int) -> None:
        self.folder = root / address
        self._root = root
        self._num_records = num_records
        self._record_bytes = record_bytes
        self._max_bytes = max_bytes
        self._open: dict[int, int] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._lock_path(self.folder), os.O_RDWR | os.O_CREAT, 0o644)
        self._hold()
        self.folder.mkdir(parents=True, exist_ok=True)  # another job may have removed it before this one got the lock
        os.utime(self.folder)

    @property
    def view_bytes(self) -> int:
        """The bytes of the file of one view."""
        return self._num_records * self._record_bytes + CRC_BYTES

    def has(self, view: int) -> bool:
        """Whether the view is stored, complete and undamaged; a damaged file is removed. Each process reads the file
        once.
        """
        if view in self._open:
            return True
        path = self._path(view)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        if self._sound(descriptor):
            self._open[view] = descriptor
            return True
        os.close(descriptor)
        _log.warning(
            "the stored teacher pass %s, view %d, is damaged and is computed again", self.folder.name[:12], view
        )
        path.unlink(missing_ok=True)
        return False

    def write(self, view: int, records: Iterable[Tensor]) -> None:
        """Store a view: uint8 (n, record_bytes) pieces in the order of the images.

        Raises NoRoom, before it takes the first piece, and DiskFull.
        """
        with atomic_path(self._path(view)) as temporary, temporary.open("wb") as file:
            self._reserve(file)
            crc = 0
            for piece in records:
                data = piece.numpy().tobytes()
                crc = zlib.crc32(data, crc)
                file.write(data)
            file.write(crc.to_bytes(CRC_BYTES, "little"))
        if not self.has(view):
            raise OSError(f"the stored teacher pass {self.folder.name[:12]} could not be read back")

    def read(self, view: int, places: Tensor) -> Tensor:
        """uint8 (len(places), record_bytes): the records at int64 `places` of a view that `has` found.

        The file is read, not mapped: mapped pages would count as memory of this process.
        """
        records = np.empty((len(places), self._record_bytes), dtype=np.uint8)
        for row, place in enumerate(places.tolist()):
            count = os.preadv(self._open[view], [records[row]], place * self._record_bytes)
            if count != self._record_bytes:
                raise OSError(f"the stored teacher pass {self.folder.name[:12]}, view {view}, ended early")
        return torch.from_numpy(records)

    def close(self) -> None:
        """Close the files and release the lock on the pass."""
        for descriptor in (*self._open.values(), self._lock):
            os.close(descriptor)
        self._open.clear()

    def _hold(self) -> None:
        """Lock the pass for use. If no other job uses it, incomplete files are removed: jobs that died left them, and
        they would take space for ever.
        """
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for half_written in self.folder.glob(".*"):
                half_written.unlink(missing_ok=True)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _path(self, view: int) -> Path:
        return self.folder / f"view-{view:04d}"

    @staticmethod
    def _lock_path(folder: Path) -> Path:
        return folder.with_name(f".{folder.name}.lock")

    def _sound(self, descriptor: int) -> bool:
        if os.fstat(descriptor).st_size != self.view_bytes:
            return False
        crc, left = 0, self.view_bytes - CRC_BYTES
        while left:
            block = os.read(descriptor, min(BLOCK_BYTES, left))
            crc, left = zlib.crc32(block, crc), left - len(block)
        return os.read(descriptor, CRC_BYTES) == crc.to_bytes(CRC_BYTES, "little")

    def _reserve(self, file: BinaryIO) -> None:
        """Make space for a view and reserve it, before another job can."""
        with _alone(self._root / _ROOM_LOCK, waits=True):
            self._make_room()
            file.truncate(self.view_bytes)

    def _make_room(self) -> None:
        """Remove the least recently used passes that no job reads, until another view fits. If removing all of them
        would not be enough, none is removed. Raises NoRoom.
        """
        lacking, unused = self._lacking(), []
        with contextlib.ExitStack() as locks:
            for folder in sorted(self._passes(), key=_last_used):
                if lacking > 0 and locks.enter_context(_alone(self._lock_path(folder))):
                    unused.append(folder)
                    lacking -= _size(folder)
            if lacking <= 0:
                for folder in unused:
                    shutil.rmtree(folder, ignore_errors=True)
                    _log.info("removed the stored teacher pass %s", folder.name[:12])
            if self._lacking() > 0:
                raise NoRoom(f"the passes in use leave less than the {self.view_bytes:,} bytes of a view")

    def _lacking(self) -> int:
        """The bytes by which another view would exceed the limit."""
        return self.view_bytes + sum(map(_size, self._passes())) - self._max_bytes

    def _passes(self) -> list[Path]:
        return [folder for folder in self._root.iterdir() if folder.is_dir()]


@contextlib.contextmanager
def _alone(path: Path, *, waits: bool = False) -> Iterator[bool]:
    """Hold the lock file exclusively for the block; gives False if another process holds it, unless `waits`. The file
    is not removed: that would let two processes hold locks on files of the same name.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _last_used(folder: Path) -> float:
    """The time of the last use in seconds; 0 if another process removed the pass meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return 0.0


def _size(folder: Path) -> int:
    """The bytes of its files, incomplete ones included; files that another process removes meanwhile do not count."""
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
    return total
