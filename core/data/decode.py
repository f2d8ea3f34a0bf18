"""How an opened image becomes RGB pixels: the one rule for every kind of image.

The model card prints these functions as they stand, so that a stranger's program decodes as the engine does. They may
use Pillow and numpy, and nothing else of Retort.

- Alpha (LA, RGBA, a transparent color or palette entry) is laid over white.
- 16-bit gray is divided by 257 and rounded. 32-bit and floating point pixels are refused: no file says what is white.
- CMYK, 1-bit, gray and palette images are what Pillow converts them to. Color profiles are ignored.
- The EXIF orientation is applied. Of an animation or of several pages the first counts.
- libjpeg decodes a JPEG at 1/2, 1/4 or 1/8 where that leaves at least twice the size that is asked for.
"""

import numpy as np
from PIL import Image

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(image: Image.Image, size: int) -> Image.Image:
    """RGB, size x size: the central square of an opened image, upright, resized with antialiasing (not touched where it
    has that size). Raises what Pillow raises for a damaged file, ValueError for pixels of no known range."""
    image.draft(None, (2 * size, 2 * size))  # JPEG: never below twice the size, so that the filter decides the look
    image.load()
    turn = TURNS.get(orientation(image))
    image = to_rgb(image)
    if turn is not None:
        image = image.transpose(turn)
    if image.size == (size, size):
        return image
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2  # whole pixels
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


def orientation(image: Image.Image) -> int:
    """The EXIF orientation from 1 to 8; 1 where the file has none that can be read."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a broken EXIF block is no reason to lose the image
        return 1


def to_rgb(image: Image.Image) -> Image.Image:
    """The image as RGB, transparent pixels white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return gray_from_16_bits(image)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def gray_from_16_bits(image: Image.Image) -> Image.Image:
    """16-bit gray as RGB; Pillow's own conversion would clip at 255 instead of scaling. Raises ValueError."""
    wide = np.asarray(image).astype(np.int64)
    if image.mode == "F" or wide.min() < 0 or wide.max() > 65_535:
        raise ValueError("has floating point or 32-bit pixels, whose range is not known; save it with 8 or 16 bits")
    gray = ((wide + 128) // 257).astype(np.uint8)
    gray[wide == image.info.get("transparency", -1)] = 255
    return Image.fromarray(gray).convert("RGB")
