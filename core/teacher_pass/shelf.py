"""The folder of stored teacher passes: one file a view, checked when it is opened, the longest unused evicted first.

A pass is a folder named by its content address. Its lock file is held shared by each job that uses it, and exclusively
by whoever removes it; two jobs that write one view write the same bytes, each whole. A view file is
records of fixed length and the CRC-32 of them all.
"""

import fcntl
import logging
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.data.landing import landing

BLOCK_BYTES = 16 << 20
CRC_BYTES = 4
_log = logging.getLogger(__name__)


class Shelf:
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
        fcntl.flock(self._lock, fcntl.LOCK_SH)
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
        """Store a view: uint8 (n, record_bytes) pieces in the order of the images. Raises DiskFull."""
        self._make_room()
        with landing(self._path(view)) as temporary, temporary.open("wb") as file:
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

    def _make_room(self) -> None:
        """Evict the passes that were not used for longest and that nobody reads, until another view fits."""
        others = sorted(
            (folder for folder in self._root.iterdir() if folder.is_dir() and folder != self.folder),
            key=lambda folder: folder.stat().st_mtime,
        )
        left = self._max_bytes - self.view_bytes - _size(self.folder) - sum(_size(folder) for folder in others)
        for folder in others:
            if left >= 0:
                return
            size = _size(folder)
            with _exclusive(self._lock_path(folder)) as held:
                if held:
                    shutil.rmtree(folder, ignore_errors=True)
                    left += size
                    _log.info("evicted the stored teacher pass %s", folder.name[:12])


@contextmanager
def _exclusive(path: Path) -> Iterator[bool]:
    """Hold the lock file alone for the block; False where somebody else holds it. The file stays: removing it would let
    two processes hold locks of the same name."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
