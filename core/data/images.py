"""Decodes one image: encoded bytes or an array in, RGB pixels out. Refuses files that are dangerous for Pillow."""

import io
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import numpy as np
from PIL import Image

from core.data.decode import decode, orientation
from core.data.tree import Tree

# Formats whose decoders are well tested against damaged files; a FITS, PSD or EPS file named .jpg is not decoded.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM")
# No honest image of n pixels takes more encoded bytes than 16-bit RGBA does, plus metadata.
BYTES_PER_PIXEL = 8
METADATA_BYTES = 16 << 20

# A progressive JPEG decodes every pixel once for each of its scans, of which programs write about ten.
MAX_SCANS = 100
_SCAN = b"\xff\xda"
# An image of more pixels takes hundreds of megabytes while it is decoded: one at a time, however many threads decode.
LARGE_PIXELS = 16_000_000
_large = threading.Lock()

_SIDEWAYS = frozenset({5, 6, 7, 8})


class Unreadable(Exception):
    """This image cannot be decoded; the message says why, without its name."""


def encoded_reader(tree: Tree) -> Callable[[str], bytes]:
    """Reads images from a tree, refusing files larger than any image of the allowed number of pixels can be."""
    return partial(tree.read, most=BYTES_PER_PIXEL * tree.budget.policy.max_image_pixels + METADATA_BYTES)


def size_of(content: bytes | np.ndarray, max_pixels: int) -> tuple[int, int]:
    """Height and width as displayed, from the header alone. Raises Unreadable."""
    if isinstance(content, np.ndarray):
        return content.shape[0], content.shape[1]
    image = _open(content, max_pixels)
    width, height = image.size
    # Pillow gives the size of a TIFF as displayed, and turns its pixels itself.
    is_sideways = image.format != "TIFF" and orientation(image) in _SIDEWAYS
    return (width, height) if is_sideways else (height, width)


def pixels_of(content: bytes | np.ndarray, canvas_size: int, max_pixels: int) -> np.ndarray:
    """uint8 3 S S: the central square, resized to S x S with antialiasing (not touched where it is S x S already).

    Raises Unreadable. Of an animation the first frame counts; transparent pixels turn white; EXIF turns apply.
    """
    image = Image.fromarray(content) if isinstance(content, np.ndarray) else _open(content, max_pixels)
    is_large = image.width * image.height > LARGE_PIXELS and image.format != "JPEG"  # libjpeg decodes at a fraction
    try:
        with _large if is_large else nullcontext():
            return np.asarray(decode(image, canvas_size)).transpose(2, 0, 1)
    except Exception as error:  # Pillow's decoders raise many kinds; each means that this image cannot be read
        raise Unreadable(f"{error or type(error).__name__}") from None


def _open(content: bytes, max_pixels: int) -> Image.Image:
    _check_canvas(content, max_pixels)
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise Unreadable(str(error)) from None
    except Exception:  # as above: struct.error, SyntaxError, ValueError, OSError, ...
        detail = "is empty" if not content else f"is none of {', '.join(FORMATS)}, or its header is damaged"
        raise Unreadable(detail) from None
    if image.format == "PPM" and content[:2] in (b"P1", b"P2", b"P3"):
        raise Unreadable("holds its pixels as text (PNM of the form P1, P2 or P3); save it as binary PNM or PNG")
    width, height = image.size
    if width * height > max_pixels:
        raise Unreadable(f"has {width} x {height} pixels; allowed are {max_pixels}")
    if not width or not height:
        raise Unreadable("has no pixels")
    if image.format == "JPEG" and (scans := content.count(_SCAN)) > MAX_SCANS:
        raise Unreadable(f"is a JPEG of {scans} scans; allowed are {MAX_SCANS}")
    return image


def _check_canvas(content: bytes, max_pixels: int) -> None:
    """Raise Unreadable for a WebP of too many pixels: Pillow takes memory for all of them as soon as it opens one."""
    if content[:4] == b"RIFF" and content[8:16] == b"WEBPVP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
        if width * height > max_pixels:
            raise Unreadable(f"has {width} x {height} pixels; allowed are {max_pixels}")
