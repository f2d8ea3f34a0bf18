"""Images that are hostile, broken or odd. What is wanted of a readable one: [height, width, red, green, blue]."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tests.core.hostile.entry import Corpus

IMAGES = Corpus()
MiB = 1 << 20
RED = (200, 30, 40)


def plain(form: str, mode: str = "RGB", size: tuple[int, int] = (24, 16), color: Any = RED, **options: Any) -> bytes:
    """An image of one color; size is width, height."""
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def png_of(
    width: int, height: int, *chunks: bytes, bits: int = 8, color: int = 2, pixels: bytes | None = None
) -> bytes:
    """A PNG with that header, more chunks, and packed pixels (None: black ones)."""
    row = 1 + (width * bits * {0: 1, 2: 3, 6: 4}[color] + 7) // 8
    packed = zlib.compress(bytes(row * height)) if pixels is None else pixels
    header = chunk(b"IHDR", struct.pack(">2L5B", width, height, bits, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG of 2,000 x 2,000 pixels whose last scan is repeated (each decodes every pixel again)."""
    data = plain("JPEG", size=(2000, 2000), progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def with_size(data: bytes, marker: bytes, at: int, form: str, *size: int) -> bytes:
    """`data` whose size, so many bytes behind a marker, is another."""
    array = bytearray(data)
    struct.pack_into(form, array, array.find(marker) + at, *size)
    return bytes(array)


def turned(turn: int) -> bytes:
    """A JPEG of 24 x 16 with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = turn
    return plain("JPEG", exif=exif.tobytes(), quality=95)


def tiff(*tags: tuple[int, int, int, int], body: bytes = b"\x80" * 192) -> bytes:
    """A little-endian TIFF of tags (number, type, count, value); pixels lie at byte 8."""
    directory = 8 + len(body)
    entries = b"".join(struct.pack("<2H2L", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<L", directory) + body + struct.pack("<H", len(tags)) + entries + bytes(4)


def tiff_of(width: int = 8, height: int = 8, *more: tuple[int, int, int, int], body: bytes = b"\x80" * 64) -> bytes:
    """A gray TIFF in one strip; `more` tags replace its own."""
    tags = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 8),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, len(body)),
    }
    tags |= {tag: (kind, count, value) for tag, kind, count, value in more}
    return tiff(*((tag, *rest) for tag, rest in tags.items()), body=body)


def frames(form: str, count: int) -> bytes:
    """An animation whose first frame is red."""
    buffer = io.BytesIO()
    first, *rest = [Image.new("RGB", (24, 16), RED if not n else (n % 256, n // 256, 7)) for n in range(count)]
    first.save(buffer, form, save_all=True, append_images=rest, lossless=True) if form == "WEBP" else first.save(
        buffer, form, save_all=True, append_images=rest
    )
    return buffer.getvalue()


def webp_canvas(width: int, height: int) -> bytes:
    """An animated WebP whose canvas is told to be so large."""
    data = bytearray(frames("WEBP", 2))
    at = data.find(b"VP8X") + 12
    data[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def avif_size(width: int, height: int) -> bytes:
    """An AVIF whose property tells another size."""
    return with_size(plain("AVIF"), b"ispe", 8, ">2L", width, height)


def sixteen_bits() -> bytes:
    """A gray PNG of 16 bits, all 0x8080: 128 of 255."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((16, 24), 0x8080, dtype=np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def with_text(kind: str) -> bytes:
    """A PNG whose text unpacks to 128 MiB."""
    packer = zlib.compressobj(9)
    zeros = b"".join(packer.compress(bytes(MiB)) for _ in range(128)) + packer.flush()
    data = {b"zTXt": b"c\0\0" + zeros, b"iTXt": b"c\0\1\0\0\0" + zeros, b"iCCP": b"c\0\0" + zeros}[kind.encode()]
    return png_of(24, 16, chunk(kind.encode(), data))


def _colors(add: Callable[..., None]) -> None:
    red = [16, 24, *RED]
    for form in ("PNG", "BMP", "TIFF"):
        add(f"{form}", lambda form=form: plain(form), red)
    add("CMYK", lambda: plain("JPEG", "CMYK", color=(0, 255, 255, 0), quality=95), [16, 24, 255, 0, 0])
    add("CMYK TIFF", lambda: plain("TIFF", "CMYK", color=(0, 255, 255, 0)), [16, 24, 255, 0, 0])
    add("16 bits", sixteen_bits, [16, 24, 128, 128, 128])
    add("32 bits float", lambda: plain("TIFF", "F", color=0.5), None)
    add("1 bit", lambda: plain("PNG", "1", color=1), [16, 24, 255, 255, 255])
    add(
        "a palette with a transparent entry",
        lambda: plain("PNG", "P", color=0, transparency=0),
        [16, 24, 255, 255, 255],
    )
    add("half transparent", lambda: plain("PNG", "RGBA", color=(0, 0, 0, 0)), [16, 24, 255, 255, 255])
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    add("a color profile", lambda: plain("PNG", icc_profile=profile), red)
    add("a color profile that is none", lambda: plain("PNG", icc_profile=b"\xff" * 1000), red)
    for turn in range(1, 9):
        size = [24, 16] if turn > 4 else [16, 24]
        add(f"orientation {turn}", lambda turn=turn: turned(turn), [*size, 200, 30, 39])
    add("orientation 77", lambda: turned(77), [16, 24, 200, 30, 39])
    add(
        "EXIF that is none",
        lambda: plain("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f", quality=95),
        [16, 24, 200, 30, 39],
    )


def _bombs(add: Callable[..., None]) -> None:
    add("JPEG of 2,000 scans", lambda: jpeg_of_scans(2000))
    add("JPEG of 12 scans more", lambda: jpeg_of_scans(12), [2000, 2000, 200, 30, 39])
    add(
        "PNG of 50,000 x 50,000, 1 bit",
        lambda: png_of(50_000, 50_000, bits=1, color=0, pixels=zlib.compress(bytes(99))),
    )
    add("PNG of 8,000 x 8,000", lambda: png_of(8000, 8000))
    add("PNG of 7,000 x 7,000 with alpha", lambda: png_of(7000, 7000, color=6), [7000, 7000, 255, 255, 255])
    add("PNG of 2**31 x 1", lambda: png_of(2**31 - 1, 1, pixels=b""))
    add("PNG whose pixels are fewer", lambda: png_of(7000, 7000, pixels=zlib.compress(bytes(9))))
    add("PNG whose pixels are 256 MiB more", lambda: png_of(24, 16, pixels=_zeros(256)), [16, 24, 0, 0, 0])
    for kind in ("zTXt", "iTXt", "iCCP"):
        add(
            f"PNG with a bomb in {kind}",
            lambda kind=kind: with_text(kind),
            {"zTXt": None, "iTXt": None, "iCCP": None}[kind],
        )
    add("PNG with 300,000 chunks of text", lambda: png_of(24, 16, chunk(b"tEXt", b"k\0" + b"v" * 300) * 300_000), None)
    add("GIF of 3,000 frames", lambda: frames("GIF", 300), [16, 24, *RED])
    add("GIF with a canvas of 65,535", lambda: with_size(frames("GIF", 2), b"GIF8", 6, "<2H", 65_535, 65_535))
    add("WebP of 200 frames", lambda: frames("WEBP", 200), [16, 24, *RED])
    add("WebP with a canvas of 16,383", lambda: webp_canvas(16_383, 16_383))
    add("WebP with a canvas of 2**24", lambda: webp_canvas(1 << 24, 1 << 24))
    add("AVIF of 60,000 by its header", lambda: avif_size(60_000, 60_000))
    add("TIFF of 2**32 - 1 pixels a side", lambda: tiff_of(2**32 - 1, 2**32 - 1))
    add("TIFF of rows beyond its end", lambda: tiff_of(7000, 7000))
    add(
        "TIFF with a tile of 2**30",
        lambda: tiff_of(8, 8, (322, 4, 1, 1 << 30), (323, 4, 1, 1 << 30), (324, 4, 1, 8), (325, 4, 1, 64)),
        [8, 8, 128, 128, 128],
    )
    add("TIFF with 2**31 values in a tag", lambda: tiff_of(8, 8, (273, 4, 2**31, 8)))
    add("TIFF whose directory is its own next", lambda: tiff_of()[:-4] + struct.pack("<L", 72), [8, 8, 128, 128, 128])
    add("TIFF packed by deflate, a bomb", lambda: tiff_of(8, 8, (259, 3, 1, 8), body=_zeros(256)), [8, 8, 0, 0, 0])
    add("BMP of 2**31 - 1 rows", lambda: with_size(plain("BMP"), b"BM", 18, "<2l", 24, 2**31 - 1))
    add("BMP of a negative height", lambda: with_size(plain("BMP"), b"BM", 22, "<l", -(2**31)))


def _broken(add: Callable[..., None]) -> None:
    for form in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "BMP"):
        add(f"{form}, cut", lambda form=form: _noise(form)[: len(_noise(form)) // 2])
    add("JPEG of no size", lambda: with_size(plain("JPEG"), b"\xff\xc0", 5, ">2H", 0, 0))
    add("JPEG of 65,500 by its header", lambda: with_size(plain("JPEG"), b"\xff\xc0", 5, ">2H", 65_500, 65_500))
    add("PNG of no size", lambda: png_of(0, 0, pixels=b""))
    add("no bytes", lambda: b"")
    add(
        "SVG",
        lambda: (
            b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
        ),
    )
    add("SVG of entities", lambda: b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>')
    add("EPS", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(touch /tmp/x) run\n")
    add("PSD", lambda: b"8BPS\0\1" + bytes(30))
    add("FITS", lambda: b"SIMPLE  =                    T" + b" " * 2850)
    add("ICO", lambda: plain("ICO"))
    add("PCX", lambda: plain("PCX"))
    add("a page", lambda: b"<!DOCTYPE html><html><body>Not found</body></html>")
    add(
        "JPEG and zip at once",
        lambda: plain("JPEG", quality=95) + b"PK\3\4" + b"x" * 500 + b"PK\5\6" + bytes(18),
        [16, 24, 200, 30, 39],
    )
    add("GIF and script at once", lambda: b"GIF89a/*" + b"*/=1;alert(1)//" * 9)
    add("PNG and page at once", lambda: plain("PNG") + b"<script>alert(1)</script>", [16, 24, *RED])


def _noise(form: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def _zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(MiB)) for _ in range(mebibytes)) + packer.flush()


def _add_all() -> None:
    def add(name: str, content: Callable[[], bytes], wanted: Any = None) -> None:
        IMAGES.add_bytes(name, "image", content, wanted)

    _colors(add)
    _bombs(add)
    _broken(add)


_add_all()
