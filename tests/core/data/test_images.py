"""Single images: every mode becomes RGB the right way, hostile ones are refused with a reason."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.images import Unreadable, pixels_of, size_of

LIMIT = 1_000_000


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def filled(mode: str, color: Any, size: int = 4) -> Image.Image:
    return Image.new(mode, (size, size), color)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(filled("1", 1)), (255, 255, 255)),
        (encoded(filled("L", 77)), (77, 77, 77)),
        (encoded(filled("LA", (77, 255))), (77, 77, 77)),
        (encoded(filled("RGB", (1, 2, 3))), (1, 2, 3)),
        (encoded(filled("RGBA", (9, 9, 9, 0))), (255, 255, 255)),
        (encoded(filled("RGBA", (0, 100, 200, 255))), (0, 100, 200)),
        (encoded(filled("RGBA", (0, 0, 0, 51))), (204, 204, 204)),
        (encoded(filled("RGB", (1, 2, 3)), transparency=(1, 2, 3)), (255, 255, 255)),
        (encoded(filled("RGB", (1, 2, 3)).quantize(4)), (1, 2, 3)),
        (encoded(filled("I;16", 257 * 40)), (40, 40, 40)),
        (encoded(filled("I;16", 300)), (1, 1, 1)),
        (encoded(filled("RGB", (10, 20, 30)), "WEBP", lossless=True), (10, 20, 30)),
        (encoded(filled("RGB", (10, 20, 30)), "BMP"), (10, 20, 30)),
        (encoded(filled("RGB", (255, 0, 0)), "GIF"), (255, 0, 0)),
        (encoded(filled("CMYK", (0, 0, 0, 0)), "JPEG"), (255, 255, 255)),
        (encoded(filled("CMYK", (0, 0, 0, 255)), "JPEG"), (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(data: bytes, expected: tuple[int, int, int]) -> None:
    pixels = pixels_of(data, 4, LIMIT)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, 4, 4)
    assert np.abs(pixels[:, 1, 1].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation(turn: int) -> None:
    """A picture stored turned, as each orientation tag says, looks like the upright one."""
    upright = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert np.array_equal(pixels_of(data, 4, LIMIT)[0], upright)


def test_size_is_as_displayed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert size_of(encoded(Image.new("RGB", (30, 20))), LIMIT) == (20, 30)
    assert size_of(encoded(Image.new("RGB", (30, 20)), "JPEG", exif=exif), LIMIT) == (30, 20)
    assert size_of(np.zeros((5, 7, 3), np.uint8), LIMIT) == (5, 7)


def test_the_central_square_is_kept() -> None:
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    assert np.array_equal(pixels_of(encoded(Image.fromarray(wide)), 8, LIMIT), wide[:, 4:12].transpose(2, 0, 1))
    assert np.array_equal(pixels_of(wide, 8, LIMIT), wide[:, 4:12].transpose(2, 0, 1))


def test_shrinking_averages() -> None:
    """A fine checkerboard becomes grey (antialiasing), also by way of JPEG's own reduction."""
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    for form in ("PNG", "JPEG"):
        small = pixels_of(
            encoded(Image.fromarray(board), form, **({"quality": 100} if form == "JPEG" else {})), 16, LIMIT
        )
        assert np.abs(small.astype(int) - 127.5).max() < 8


def stripes(side: int, width: int) -> tuple[bytes, Image.Image]:
    """A grey JPEG of upright stripes, dark and bright ones, and what it is when decoded whole."""
    row = np.random.default_rng(0).choice(np.array([64, 192], np.uint8), side // width).repeat(width)
    data = encoded(Image.fromarray(np.tile(row, (side, 1))), "JPEG", quality=95)
    return data, Image.open(io.BytesIO(data))


def shrunk(image: Image.Image, size: int) -> np.ndarray:
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).astype(int)


def test_a_large_jpeg_is_never_decoded_whole() -> None:
    """At an eighth, libjpeg makes one pixel of each 8 x 8 block: its mean. The filter alone would give other pixels."""
    data, whole = stripes(256, 4)
    blocks = np.asarray(whole).reshape(32, 8, 32, 8).mean((1, 3)).round().astype(np.uint8)
    pixels = pixels_of(data, 16, LIMIT)[0].astype(int)
    assert np.abs(pixels - shrunk(Image.fromarray(blocks), 16)).max() <= 1
    assert np.abs(pixels - shrunk(whole, 16)).max() > 3


def test_a_jpeg_is_never_decoded_below_twice_the_canvas() -> None:
    """Half of 48 pixels would be less than twice 16: all of them are decoded, and the filter alone decides the look."""
    data, whole = stripes(48, 1)
    assert np.array_equal(pixels_of(data, 16, LIMIT)[0], shrunk(whole, 16))


def test_the_first_frame_of_an_animation() -> None:
    frames = [filled("RGB", color) for color in ((255, 0, 0), (0, 255, 0))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert tuple(pixels_of(data, 4, LIMIT)[:, 0, 0]) == (255, 0, 0)


def png_header(width: int, height: int) -> bytes:
    """A 1-bit PNG that promises any size and holds no rows."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"not an image", "is none of JPEG, PNG"),
        (encoded(filled("RGB", 0), "PCX"), "is none of JPEG, PNG"),
        (b"SIMPLE  =                    T" + bytes(5000), "is none of JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is none of JPEG, PNG"),
        (b"P3\n1 1\n255\n1 2 3\n", "as text"),
        (png_header(50_000, 50_000), "50000 x 50000|decompression bomb"),
        (png_header(1001, 1000), "1001 x 1000 pixels; allowed are 1000000"),
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:900], "truncated"),
        (encoded(Image.effect_noise((64, 64), 50), "PNG")[:900], "truncated|broken"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        pixels_of(data, 8, LIMIT)
