"""Decoded images that stay in a file and are read when they are needed."""

import os
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import torch
from torch import Tensor


class ImageFile:
    """uint8 (N, 3, S, S) images in a file; a slice or a tensor of indices reads those, into a tensor.

    The file is read, not mapped: mapped pages count as memory of this process, and a failing disk ends a read with an
    error, but a mapped access with a signal. Repeated reads come from the system's page cache.
    """

    device = torch.device("cpu")

    def __init__(self, path: Path, count: int, canvas_size: int) -> None:
        self.shape = (count, 3, canvas_size, canvas_size)
        self._file = path.open("rb", buffering=0)
        self._first = 0

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        """The bytes of one image."""
        return 3 * self.shape[-1] ** 2

    @property
    def nbytes(self) -> int:
        """The bytes of all images."""
        return len(self) * self.row_bytes

    def part(self, start: int, stop: int) -> Self:
        """Images `start` to `stop`, still in the file."""
        part = object.__new__(type(self))
        part.shape = (stop - start, *self.shape[1:])
        part._file, part._first = self._file, self._first + start
        return part

    def __getitem__(self, which: slice | Tensor) -> Tensor:
        """Those of a slice, or of int64 indices (n,) from 0 to N - 1; raises IndexError beyond, OSError where the disk
        does not give them.
        """
        if isinstance(which, slice):
            start, stop, step = which.indices(len(self))
            if step == 1:
                return self._read(start, max(0, stop - start))
            which = torch.arange(start, stop, step)
        images = np.empty((len(which), *self.shape[1:]), dtype=np.uint8)
        for image, index in zip(images, which.tolist(), strict=True):
            if not 0 <= index < len(self):
                raise IndexError(f"there is no image {index} among {len(self)}")
            self._fill(image, index)
        return torch.from_numpy(images)

    def _read(self, start: int, count: int) -> Tensor:
        images = np.empty((count, *self.shape[1:]), dtype=np.uint8)
        self._fill(images, start)
        return torch.from_numpy(images)

    def _fill(self, images: np.ndarray, start: int) -> None:
        """Read into uint8 `images`, which lie one behind the other, from image `start` on."""
        left = memoryview(images.reshape(-1).data)
        place = (self._first + start) * self.row_bytes
        while left:
            count = os.preadv(self._file.fileno(), [left], place)
            if count == 0:
                raise OSError(f"the decoded images in {Path(self._file.name).parent.name[:12]} ended early")
            left, place = left[count:], place + count


Images: TypeAlias = Tensor | ImageFile
"""uint8 (N, 3, S, S) in memory, on any device, or in a file. Slices and int64 indices give tensors of either."""
