"""Images in one array: what their values mean, and each as uint8 when it is read."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.errors import DatasetInvalid

BLOCK_BYTES = 16 << 20  # looked at at once, so that a mapped array never lies in memory whole


@dataclass(frozen=True)
class PixelArray:
    """N images H W or H W 3 as they are stored; `scale` makes 0 to 255 of them."""

    stored: np.ndarray
    scale: int
    brightest: int
    """The highest value of all, from 0 to 255."""

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def is_black_and_white(self) -> bool:
        """Whether all values are the numbers 0 and 1, which were taken for black and white."""
        return self.scale == 255 and self.stored.dtype.kind in "iub"

    def image(self, index: int) -> np.ndarray:
        """uint8 H W or H W 3."""
        image = np.asarray(self.stored[index])
        if image.dtype.kind == "f":
            return (image * self.scale).round().astype(np.uint8)
        return image.astype(np.uint8) * np.uint8(self.scale)


def pixel_array(pixels: np.ndarray, path: str) -> PixelArray:
    """Images N H W, N H W 3, N H W 1, N 3 H W or N 1 H W: uint8, other integers from 0 to 255, 0 and 1 for black and
    white, or floats from 0 to 1. Raises DatasetInvalid for any other."""
    if pixels.ndim == 4 and pixels.shape[-1] not in (1, 3) and pixels.shape[1] in (1, 3):
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[-1] == 3)) or 0 in pixels.shape:
        raise DatasetInvalid(f"{path!r} holds images of shape {pixels.shape}; wanted: N H W, N H W 3 or N 3 H W")
    if pixels.dtype.kind in "iubf":
        lowest, highest = _range(pixels)
        if 0 <= lowest <= highest <= 1:
            return PixelArray(pixels, 255, round(255 * highest))
        if pixels.dtype.kind != "f" and 0 <= lowest <= highest <= 255:
            return PixelArray(pixels, 1, int(highest))
    raise DatasetInvalid(f"{path!r} holds {pixels.dtype} images out of range; wanted: uint8, or floats in [0, 1]")


def _range(pixels: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest value; NaN where one is NaN."""
    ranges = np.array([(block.min(), block.max()) for block in _blocks(pixels)], dtype=np.float64)
    return float(ranges[:, 0].min()), float(ranges[:, 1].max())


def _blocks(pixels: np.ndarray) -> Iterator[np.ndarray]:
    rows = max(1, BLOCK_BYTES // max(1, pixels[0].nbytes))
    return (pixels[start : start + rows] for start in range(0, len(pixels), rows))
