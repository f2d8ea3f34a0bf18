"""Zip archives that are hostile, broken or odd."""

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping

from tests.core.hostile.entry import BOTH, PHOTOS, Corpus, png

ZIPS = Corpus()
MiB = 1 << 20

NAMES_REFUSED = {
    "up": "../ants/9.png",
    "up inside": "ants/../../9.png",
    "up by backslashes": "ants\\..\\..\\9.png",
    "up mixed": "ants/..\\../9.png",
    "up at the end": "ants/..",
    "absolute": "/etc/9.png",
    "two slashes": "//etc/9.png",
    "drive": "C:\\ants\\9.png",
    "drive with slashes": "c:/ants/9.png",
    "drive without a root": "C:ants/9.png",
    "share": "\\\\host\\share\\9.png",
    "device path": "\\\\?\\C:\\9.png",
    "too deep": "a/" * 40 + "9.png",
    "too long": "ants/" + "9" * 1100 + ".png",
}
# Names that look dangerous and are none, as nothing is ever extracted by its name.
NAMES_READ = {
    "encoded dots": "ants/%2e%2e%2f9.png",
    "twice encoded": "ants/%252e%252e9.png",
    "home": "ants/~9.png",
    "a device of Windows": "ants/CON.png",
    "a stream of Windows": "ants/9.png",
    "right to left": "ants/\u202egnp.9.png",
    "fullwidth dots": "ants/\uff0e\uff0e.png",
    "a line break": "ants/9\n.png",
    "an escape sequence": "ants/\x1b[31m9.png",
    "a quote and a command": "ants/$(touch x)';9.png",
}


def packed(
    members: Mapping[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A zip of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for info, data in members.items() if isinstance(members, Mapping) else members:
            archive.writestr(info, data)
    return buffer.getvalue()


def with_member(name: str, data: bytes | None = None) -> bytes:
    """PHOTOS and a member; its name is written as it stands."""
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    return packed([*PHOTOS.items(), (info, png(9) if data is None else data)])


def with_mode(mode: int, data: bytes = b"/etc/passwd") -> bytes:
    """PHOTOS and a member of that kind of file."""
    info = zipfile.ZipInfo("ants/9.png")
    info.external_attr = (mode | 0o777) << 16
    return packed([*PHOTOS.items(), (info, data)])


def changed(data: bytes, change: Callable[[bytearray, int, int], None]) -> bytes:
    """`data` after change(data, place of the first central header, place of the end record)."""
    array = bytearray(data)
    change(array, array.find(b"PK\1\2"), array.rfind(b"PK\5\6"))
    return bytes(array)


def lying(offset: int, form: str, value: int, *, local: int | None = None) -> bytes:
    """PHOTOS whose first central header (and local header) tells something else."""

    def change(data: bytearray, central: int, _: int) -> None:
        struct.pack_into(form, data, central + offset, value)
        if local is not None:
            struct.pack_into(form, data, local, value)

    return changed(packed(PHOTOS), change)


def end_record(offset: int, form: str, value: int) -> bytes:
    """PHOTOS whose end record tells something else."""
    return changed(packed(PHOTOS), lambda data, _, end: struct.pack_into(form, data, end + offset, value))


def overlapping(copies: int, inner: bytes) -> bytes:
    """`copies` members in the directory that all are one and the same local member (Fifield 2019)."""
    one = packed({"ants/0.png": inner})
    central, end = one.find(b"PK\1\2"), one.rfind(b"PK\5\6")
    header = one[central:end]
    entries = b"".join(header.replace(b"ants/0.png", f"{'ab'[n % 2]}nt/{n:04}x"[:10].encode()) for n in range(copies))
    record = bytearray(one[end:])
    struct.pack_into("<HHLL", record, 8, copies, copies, len(entries), central)
    return one[:central] + entries + bytes(record)


def many_entries(count: int, told: int) -> bytes:
    """An archive whose directory holds `count` empty members and whose end record tells `told`."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0x21, 0, 0, 0, 8, 0) + b"a/00.png"
    form = "<4s6H3L5H2L"
    header = struct.pack(form, b"PK\1\2", 20, 20, 0, 0, 0, 0x21, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    entries = b"".join(header + b"%08x" % number for number in range(count))
    return local + entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, told, told, len(entries), len(local), 0)


def deflated_member_of(data: bytes, told_size: int) -> bytes:
    """PHOTOS and a deflated member whose headers tell `told_size` bytes, with the checksum of so many."""
    content = with_member("bees/9.png", data)

    def change(array: bytearray, _: int, __: int) -> None:
        central, local = array.rfind(b"PK\1\2"), array.rfind(b"PK\3\4")
        crc = zlib.crc32(data[:told_size])
        struct.pack_into("<L", array, central + 24, told_size)
        struct.pack_into("<L", array, local + 22, told_size)
        struct.pack_into("<L", array, central + 16, crc)
        struct.pack_into("<L", array, local + 14, crc)

    return changed(content, change)


def nested(depth: int) -> bytes:
    """A zip in a zip in a zip; the innermost holds 10 MiB of zeros for each level."""
    inner = packed({"0.png": bytes(10 * MiB)})
    for level in range(depth):
        inner = packed({f"{level}-{copy}.zip": inner for copy in range(10)})
    return inner


def zip64() -> bytes:
    """PHOTOS with the sizes and the place of every member in zip64 fields."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in PHOTOS.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    return buffer.getvalue()


def zip64_count(count: int) -> bytes:
    """PHOTOS with a zip64 end record that tells `count` members."""
    plain = packed(PHOTOS)
    central, end = plain.find(b"PK\1\2"), plain.rfind(b"PK\5\6")
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, end - central, central)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    return (
        plain[:end]
        + record
        + locator
        + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    )


def _add_all() -> None:
    def add(name: str, content: Callable[[], bytes], wanted: object = None) -> None:
        ZIPS.add_bytes(f"zip: {name}", "photos.zip", content, wanted)

    nine = {"ants": 5, "bees": 4}
    for why, name in NAMES_REFUSED.items():
        add(why, lambda name=name: with_member(name))  # type: ignore[misc]
    add("dots that are a name, a hidden file", lambda: with_member("ants/...png"), BOTH)
    for why, name in NAMES_READ.items():
        add(why, lambda name=name: with_member(name), nine)  # type: ignore[misc]
    add("NUL in a name", lambda: with_member("ants/9.pngX.exe").replace(b"pngX", b"png\0"))
    add("names of different case", lambda: packed({**PHOTOS, "ants/0.PNG": png(9)}), nine)
    add("a name twice", lambda: packed([*PHOTOS.items(), ("ants/0.png", png(9))]))
    add("a link", lambda: with_mode(stat.S_IFLNK))
    add("a link to a folder above", lambda: with_mode(stat.S_IFLNK, b"../.."))
    add("a device", lambda: with_mode(stat.S_IFBLK))
    add("a pipe", lambda: with_mode(stat.S_IFIFO))
    add("a socket", lambda: with_mode(stat.S_IFSOCK))
    add("setuid", lambda: with_mode(stat.S_IFREG | stat.S_ISUID, png(9)), nine)
    add("encrypted", lambda: lying(8, "<H", 1, local=6))
    add("strong encryption", lambda: lying(8, "<H", 0x41, local=6))
    for number, method in ((12, zipfile.ZIP_BZIP2), (14, zipfile.ZIP_LZMA)):
        add(
            f"a bomb of method {number}",
            lambda method=method: packed({**PHOTOS, "ants/9.png": bytes(96 * MiB)}, method),
        )  # type: ignore[misc]
    add("an unknown method", lambda: lying(10, "<H", 77, local=8))
    add("a bomb by deflate", lambda: packed({**PHOTOS, "ants/9.png": bytes(96 * MiB)}))
    add("a bomb of many members", lambda: packed({**PHOTOS, **{f"ants/z{n}.png": bytes(4 * MiB) for n in range(40)}}))
    add("a bomb below the ratio's free bytes", lambda: packed({**PHOTOS, "ants/9.png": bytes(60 * MiB)}))
    add("a bomb whose size is a lie", lambda: deflated_member_of(bytes(96 * MiB), 1000))
    add("a size that is too large", lambda: lying(24, "<L", 10**9, local=22))
    add("a size that is too small", lambda: lying(24, "<L", 5, local=22))
    add("a packed size beyond the end", lambda: lying(20, "<L", 2**31, local=18))
    add("a place beyond the end", lambda: lying(42, "<L", 2**31))
    add("the place of another member", lambda: lying(42, "<L", 30))
    add("overlapping members", lambda: overlapping(200, bytes(8 * MiB)))
    add("very many members", lambda: overlapping(60_000, b"x"))
    add("3 million members, told as 1", lambda: many_entries(3_000_000, 1))
    add("members told as 65,535", lambda: end_record(8, "<H", 0xFFFF), BOTH)
    add("a directory that is too long", lambda: end_record(12, "<L", 2**31))
    add("a directory beyond the end", lambda: end_record(16, "<L", 2**31))
    add("zip64", zip64, BOTH)
    add("zip64 of 2**60 members", lambda: zip64_count(2**60))
    add(
        "another name in the local header",
        lambda: packed(PHOTOS, zipfile.ZIP_STORED).replace(b"ants/0.png", b"../../.png", 1),
    )
    add("truncated", lambda: packed(PHOTOS)[:-60])
    add("cut in the middle", lambda: packed(PHOTOS)[:900])
    add("a bad checksum", lambda: lying(16, "<L", 1, local=14))
    add("bytes before", lambda: b"#!/bin/sh\nexit 1\n" + packed(PHOTOS))
    add("bytes behind", lambda: packed(PHOTOS) + b"\0" * 1000, BOTH)
    add("a comment of 65,535 bytes", lambda: end_record(20, "<H", 65_535) + b"c" * 65_535, BOTH)
    add("an end record in the comment", lambda: end_record(20, "<H", 22) + b"PK\5\6" + bytes(18))
    add("nested", lambda: nested(3))
    add("a quine", lambda: packed({"r/r.zip": packed(PHOTOS)}))
    add("empty", lambda: packed({}))
    add("random bytes", lambda: b"PK\3\4" + os.urandom(5000))
    add("only folders", lambda: packed([("ants/", b""), ("bees/", b"")]))


_add_all()
