"""The folder of stored teacher passes: one file a view, checked when it is opened, the longest unused evicted first.

A pass is a folder named by its content address. Its lock file is held shared by each job that uses it, and exclusively
by whoever removes it; two jobs that write one view write the same bytes, each whole. A view file is
records of fixed length and the CRC-32 of them all. It has its whole length before its first record, so that all who
look for room, one at a time, count it.
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

from core.data.landing import landing

BLOCK_BYTES = 16 << 20
CRC_BYTES = 4
_ROOM_LOCK = ".room.lock"
_log = logging.getLogger(__name__)


class NoRoom(Exception):
    """A view does not fit: what fills the operator's limit is in use."""


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
        self.folder.mkdir(parents=True, exist_ok=True)  # it may have been evicted before the lock was ours
        os.utime(self.folder)

    @property
    def view_bytes(self) -> int:
        """Of one view's file."""
        return self._num_records * self._record_bytes + CRC_BYTES

    def has(self, view: int) -> bool:
        """Whether the view is there, whole and undamaged; a damaged one is removed. Reads the file once a process."""
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
        _log.warning("the stored teacher pass %s, view %d, is damaged and made anew", self.folder.name[:12], view)
        path.unlink(missing_ok=True)
        return False

    def write(self, view: int, records: Iterable[Tensor]) -> None:
        """Store a view: uint8 (n, record_bytes) pieces in the order of the images.

        Raises NoRoom, before it asks for a piece, and DiskFull.
        """
        with landing(self._path(view)) as temporary, temporary.open("wb") as file:
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

        Read rather than mapped: pages of a map would count as this process's memory.
        """
        records = np.empty((len(places), self._record_bytes), dtype=np.uint8)
        for row, place in enumerate(places.tolist()):
            count = os.preadv(self._open[view], [records[row]], place * self._record_bytes)
            if count != self._record_bytes:
                raise OSError(f"the stored teacher pass {self.folder.name[:12]}, view {view}, ended early")
        return torch.from_numpy(records)

    def close(self) -> None:
        """Let go of the files and of the pass."""
        for descriptor in (*self._open.values(), self._lock):
            os.close(descriptor)
        self._open.clear()

    def _hold(self) -> None:
        """Take the pass into use. Where nobody else has it nobody writes, and what a job that died left half written
        goes: it would take room for ever."""
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
        """Make room for a view and take it, before anybody else can."""
        with _alone(self._root / _ROOM_LOCK, waits=True):
            self._make_room()
            file.truncate(self.view_bytes)

    def _make_room(self) -> None:
        """Evict the passes that were not used for longest and that nobody reads, until another view fits; none where
        all of them would not be enough. Raises NoRoom."""
        lacking, unused = self._lacking(), []
        with contextlib.ExitStack() as locks:
            for folder in sorted(self._passes(), key=_last_used):
                if lacking > 0 and locks.enter_context(_alone(self._lock_path(folder))):
                    unused.append(folder)
                    lacking -= _size(folder)
            if lacking <= 0:
                for folder in unused:
                    shutil.rmtree(folder, ignore_errors=True)
                    _log.info("evicted the stored teacher pass %s", folder.name[:12])
            if self._lacking() > 0:
                raise NoRoom(f"the passes in use leave less than the {self.view_bytes:,} bytes of a view")

    def _lacking(self) -> int:
        """Bytes beyond the limit that another view would take."""
        return self.view_bytes + sum(map(_size, self._passes())) - self._max_bytes

    def _passes(self) -> list[Path]:
        return [folder for folder in self._root.iterdir() if folder.is_dir()]


@contextlib.contextmanager
def _alone(path: Path, *, waits: bool = False) -> Iterator[bool]:
    """Hold the lock file alone for the block; False where somebody else holds it and nobody `waits`. The file stays:
    removing it would let two processes hold locks of the same name."""
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
    """Seconds; 0 where another process evicted it meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return 0.0


def _size(folder: Path) -> int:
    """Bytes of its files, half-written ones included, but for what another process removes meanwhile."""
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
    return total
