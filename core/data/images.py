"""One image: encoded bytes or an array in, RGB pixels out. What Pillow must not be trusted with is refused here."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image

from core.data.tree import Tree

# Formats with much-fuzzed decoders; a FITS, PSD or EPS file renamed .jpg is not even looked at.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
# No honest image of n pixels takes more encoded bytes than 16-bit RGBA does, plus metadata.
BYTES_PER_PIXEL = 8
METADATA_BYTES = 16 << 20

_EXIF_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})


class Unreadable(Exception):
    """This image cannot be decoded; the message says why, without its name."""


def encoded_reader(tree: Tree) -> Callable[[str], bytes]:
    """Reads images from a tree, refusing files larger than any image of the allowed number of pixels can be."""
    return partial(tree.read, most=BYTES_PER_PIXEL * tree.policy.max_image_pixels + METADATA_BYTES)


def size_of(content: bytes | np.ndarray, max_pixels: int) -> tuple[int, int]:
    """Height and width as displayed, from the header alone. Raises Unreadable."""
    if isinstance(content, np.ndarray):
        return content.shape[0], content.shape[1]
    image = _open(content, max_pixels)
    width, height = image.size
    return (width, height) if _orientation(image) in _SIDEWAYS else (height, width)


def pixels_of(content: bytes | np.ndarray, canvas_size: int, max_pixels: int) -> np.ndarray:
    """uint8 3 S S: the central square, resized to S x S with antialiasing (not touched where it is S x S already).

    Raises Unreadable. Of an animation the first frame counts; transparent pixels turn white; EXIF turns apply.
    """
    image = Image.fromarray(content) if isinstance(content, np.ndarray) else _open(content, max_pixels)
    try:
        turn = _TURNS.get(_orientation(image))
        # JPEG can be decoded at 1/2, 1/4 or 1/8; never below twice the canvas, so that our own filter decides the look.
        image.draft(None, (2 * canvas_size, 2 * canvas_size))
        image = _rgb(image)
        image = image.transpose(turn) if turn is not None else image
        return np.asarray(_square(image, canvas_size)).transpose(2, 0, 1)
    except Unreadable:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds; each means that this image cannot be read
        raise Unreadable(f"{error or type(error).__name__}") from None


def _open(content: bytes, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise Unreadable(str(error)) from None
    except Exception:  # as above: struct.error, SyntaxError, ValueError, OSError, ...
        detail = "is empty" if not content else f"is none of {', '.join(FORMATS)}, or its header is damaged"
        raise Unreadable(detail) from None
    width, height = image.size
    if width * height > max_pixels:
        raise Unreadable(f"has {width} x {height} pixels; allowed are {max_pixels}")
    if not width or not height:
        raise Unreadable("has no pixels")
    return image


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow turns a TIFF itself while it loads the pixels
        return 1
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # a broken EXIF block is no reason to lose the image
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        # 16-bit gray: Pillow's own conversion would clip at 255 instead of scaling.
        wide = _sixteen_bit(np.asarray(image))
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _sixteen_bit(gray: np.ndarray) -> np.ndarray:
    """Gray H W as int64 in 0..65535. Raises Unreadable for pixels whose black and white are not known."""
    if gray.dtype.kind == "f":
        raise Unreadable("has floating-point pixels, whose range is not known; save it with 8 or 16 bits")
    wide = gray.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65_535:
        raise Unreadable(f"has pixels from {wide.min()} to {wide.max()}; 16 bits hold 0 to 65535")
    return wide


def _square(image: Image.Image, size: int) -> Image.Image:
    if image.size == (size, size):
        return image
    width, height = image.size
    side = min(width, height)
    # Whole pixels, so that a crop without a resize copies pixels. Bilinear with antialias is torchvision's default.
    left, top = (width - side) // 2, (height - side) // 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
