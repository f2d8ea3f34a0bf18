"""Tar archives, and what else gzip, bzip2 and xz pack, that are hostile, broken or odd."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
from collections.abc import Callable, Mapping

from tests.core.hostile.entry import BOTH, PHOTOS, Corpus, png

TARS = Corpus()
MiB = 1 << 20
NINE = {"ants": 5, "bees": 4}


def packed(
    *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT, photos: Mapping[str, bytes] = PHOTOS
) -> bytes:
    """A tar of PHOTOS and more members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in photos.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def member(
    name: str = "ants/9.png",
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    mode: int = 0o644,
    size: int | None = None,
    pax: dict[str, str] | None = None,
) -> tuple[tarfile.TarInfo, bytes]:
    """A member; its size is that of an image unless told."""
    info = tarfile.TarInfo(name)
    data = png(9) if kind in (tarfile.REGTYPE, tarfile.CONTTYPE) else b""
    info.type, info.linkname, info.mode, info.pax_headers = kind, link, mode, pax or {}
    info.size = len(data) if size is None else size
    return info, data


def header_changed(data: bytes, at: int, value: bytes) -> bytes:
    """The first header with other bytes, and the checksum that belongs to them."""
    header = bytearray(data[:512])
    header[at : at + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


def sparse() -> bytes:
    """A GNU sparse member of 8 GiB that holds nothing."""
    header = bytearray(member("ants/9.png", tarfile.GNUTYPE_SPARSE, size=0)[0].tobuf(tarfile.GNU_FORMAT))
    header[386:398], header[398:410] = b"%011o\0" % 0, b"%011o\0" % 0
    header[483:495] = b"%011o\0" % (8 << 30)
    return header_changed(bytes(header), 0, b"") + packed()


def long_name(length: int) -> bytes:
    """A GNU long name of so many bytes."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, length
    name = b"a" * length
    return info.tobuf(tarfile.GNU_FORMAT) + name + bytes(-length % 512) + packed()


def pax_header(content: bytes) -> bytes:
    """A pax header of that content, then PHOTOS."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512) + packed()


def xz_of_dictionary(content: bytes, dictionary: int) -> bytes:
    """`content` packed by xz with so large a dictionary, which a reader must hold in memory."""
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": dictionary}])


def zeros_by(compressor: "bz2.BZ2Compressor | lzma.LZMACompressor", size: int) -> bytes:
    """So many zeros packed, without having them in memory."""
    block = bytes(MiB)
    return b"".join(compressor.compress(block) for _ in range(size // MiB)) + compressor.flush()


def _links(add: Callable[..., None]) -> None:
    for why, kind, link in (
        ("a link out", tarfile.SYMTYPE, "../../../etc/passwd"),
        ("an absolute link", tarfile.SYMTYPE, "/etc/passwd"),
        ("a link inside", tarfile.SYMTYPE, "0.png"),
        ("a hard link out", tarfile.LNKTYPE, "../../etc/passwd"),
        ("a hard link inside", tarfile.LNKTYPE, "ants/0.png"),
        ("a link to itself", tarfile.SYMTYPE, "9.png"),
        ("a character device", tarfile.CHRTYPE, ""),
        ("a block device", tarfile.BLKTYPE, ""),
        ("a pipe", tarfile.FIFOTYPE, ""),
    ):
        add(why, lambda kind=kind, link=link: packed(member(kind=kind, link=link)))
    add(
        "a link, then a file through it",
        lambda: packed(member("ants/d", tarfile.SYMTYPE, "/tmp"), member("ants/d/9.png")),
    )
    add("a contiguous file", lambda: packed(member(kind=tarfile.CONTTYPE)), NINE)


def _names(add: Callable[..., None]) -> None:
    for why, name in (
        ("up", "../9.png"),
        ("up inside", "ants/../../9.png"),
        ("up by backslashes", "ants\\..\\9.png"),
        ("up behind a dot", "./../9.png"),
        ("absolute", "/etc/9.png"),
        ("a drive", "C:\\9.png"),
        ("too deep", "a/" * 50 + "9.png"),
        ("too long", "ants/" + "n" * 2000),
    ):
        add(why, lambda name=name: packed(member(name)))
    for why, name in (
        ("a dot before", "./ants/9.png"),
        ("a long name", "ants/" + "n" * 300 + ".png"),
        ("right to left", "ants/\u202egnp.png"),
        ("an escape sequence", "ants/\x1b]0;x\x07.png"),
        ("a space", "ants/ 9.png"),
    ):
        add(why, lambda name=name: packed(member(name)), NINE)
    add(
        "no UTF-8",
        lambda: packed(member("ants/9.png"), form=tarfile.USTAR_FORMAT).replace(b"ants/9.png", b"ants/\xff.png"),
        None,
    )
    add("a name twice", lambda: packed(member("ants/0.png")))
    add("a name with a dot, and without", lambda: packed(member("./ants/0.png")))
    add("a file that is a folder as well", lambda: packed(member("ants/0.png/9.png")), NINE)


def _headers(add: Callable[..., None]) -> None:
    add("setuid", lambda: packed(member(mode=0o6755)), NINE)
    add("owned by root", lambda: header_changed(packed(), 108, b"0000000\0"), BOTH)
    add("sparse", sparse)
    add("pax: a size that is a lie", lambda: packed(member(pax={"size": "99999999999"})))
    add("pax: another path, out", lambda: packed(member(pax={"path": "../../9.png"})))
    add("pax: a link", lambda: packed(member(pax={"linkpath": "/etc/passwd"})), NINE)
    add(
        "pax: GNU sparse",
        lambda: packed(
            member(pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9999999999"})
        ),
    )
    add("pax: without an end", lambda: pax_header(b"99999999 path=x\n"), None)
    add("pax: no number", lambda: pax_header(b"x path=x\n"), BOTH)
    add("pax: 40 MiB of text", lambda: pax_header(b"41943054 comment=" + b"c" * (40 * MiB - 6) + b"\n"), BOTH)
    add("a long name of 100 MiB", lambda: long_name(100 * MiB))
    add(
        "a long name of long names",
        lambda: member("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=0)[0].tobuf() * 3000 + packed(),
        None,
    )
    add("a size beyond the end", lambda: header_changed(packed(), 124, b"77777777777\0"))
    add("a negative size", lambda: header_changed(packed(), 124, b"\xff" + b"\xff" * 11))
    add("a size in base 256", lambda: header_changed(packed(), 124, b"\x80" + struct.pack(">11s", b"\x7f" * 11)))
    add("a wrong checksum", lambda: packed()[:148] + b"0000000\0" + packed()[156:])
    add("a volume label", lambda: header_changed(packed(), 156, b"V"))


def _packings(add: Callable[..., None]) -> None:
    whole = packed()
    for end, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        name = f"photos.tar.{end}"
        add(f"{end}", lambda pack=pack: pack(whole), BOTH, name)
        add(f"{end}: truncated", lambda pack=pack: pack(whole)[:-40], None, name)
        add(f"{end}: a bit flipped", lambda pack=pack: flipped(pack(whole)), None, name)
        add(f"{end}: in two parts", lambda pack=pack: pack(whole[:700]) + pack(whole[700:]), BOTH, name)
        add(f"{end}: no tar in it", lambda pack=pack: pack(b"hello" * 999), None, name)
        add(f"{end}: in itself", lambda pack=pack: pack(pack(pack(whole))), None, name)
    add("gz: a bomb", lambda: gzip.compress(bytes(96 * MiB)), None, "photos.tar.gz")
    add("gz: a bomb in parts", lambda: gzip.compress(bytes(16 * MiB)) * 30, None, "photos.tar.gz")
    add("bz2: a bomb", lambda: zeros_by(bz2.BZ2Compressor(), 96 * MiB), None, "photos.tar.bz2")
    add("xz: a bomb", lambda: zeros_by(lzma.LZMACompressor(preset=0), 96 * MiB), None, "photos.tar.xz")
    add("xz: a dictionary of 1.5 GiB", lambda: xz_header(1536 * MiB), None, "photos.tar.xz")
    add("xz: a dictionary of 4 GiB", lambda: xz_header(0xFFFFFFFF), None, "photos.tar.xz")
    add("a bzip2 that is named .gz", lambda: bz2.compress(whole), BOTH, "photos.tar.gz")


def xz_header(dictionary: int) -> bytes:
    """PHOTOS packed by xz, whose header asks the reader for so large a dictionary (LZMA2's properties)."""
    content = bytearray(lzma.compress(packed()))
    bits = 40 if dictionary == 0xFFFFFFFF else next(n for n in range(40) if (2 | n & 1) << n // 2 + 11 >= dictionary)
    at = 12  # behind the stream's header: size, flags, id 0x21, size of properties, properties
    content[at + 4] = bits
    size = (content[at] + 1) * 4
    content[at + size - 4 : at + size] = struct.pack("<L", __import__("zlib").crc32(content[at : at + size - 4]))
    return bytes(content)


def flipped(data: bytes) -> bytes:
    """The data with one bit in its middle turned."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


def _add_all() -> None:
    def add(name: str, content: Callable[[], bytes], wanted: object = None, file_name: str = "photos.tar") -> None:
        TARS.add_bytes(f"tar: {name}", file_name, content, wanted)

    _links(add)
    _names(add)
    _headers(add)
    _packings(add)
    add("truncated", lambda: packed()[:1700])
    add("without its end", lambda: packed()[: 16 * 512])
    add("empty", lambda: bytes(10_240))
    add("two tars behind each other", lambda: packed() + packed(photos={"bees/x.png": png(7)}), BOTH)
    add("very many members", lambda: member(size=0)[0].tobuf() * 30_000 + packed())


_add_all()
