"""The names of a zip's members as Unicode text: by the encoding that the archive declares, or if only one is
possible.
"""

import zipfile
import zlib
from collections.abc import Sequence

from core.errors import DatasetInvalid

UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # the Info-ZIP Unicode Path extra field (APPNOTE 4.6.9)
_UNDECLARED = "cp437"  # how the library reads a name that declares nothing: every byte has a character there
# What programs of Windows write in the languages that use them, for the message alone.
_GUESSES = ("cp932", "gb18030", "euc_kr", "cp1252")


def member_names(infos: Sequence[zipfile.ZipInfo], where: str) -> list[str]:
    """A name for each member, in order.

    A name is what its UTF-8 flag or its Unicode extra field says. Names without either are ASCII, or UTF-8 where all of
    them are valid UTF-8 (macOS writes it without the flag). Raises DatasetInvalid for any other: the encoding of such
    a name is unknown, and each guess gives other class names.
    """
    undeclared = [_undeclared_bytes(info) for info in infos]
    unicode_text = [None if raw is None else _utf8(raw) for raw in undeclared]
    for raw, text in zip(undeclared, unicode_text, strict=True):
        if raw is not None and text is None:
            raise DatasetInvalid(
                f"{where!r} names a member by the bytes {raw[:40].hex(' ')}, which are not UTF-8, without their "
                f"encoding; they may mean {' or '.join(_meanings(raw))}",
                hint="pack the folder again with UTF-8 names (7-Zip: parameter cu=on; zip of Linux or macOS), or give "
                "the unpacked folder or a tar",
                pointer="/dataset/uri",
            )
    return [
        _declared(info) if text is None else text.replace("\\", "/")
        for info, text in zip(infos, unicode_text, strict=True)
    ]


def _undeclared_bytes(info: zipfile.ZipInfo) -> bytes | None:
    """The bytes of a name whose encoding the archive does not say; None where it does."""
    if info.flag_bits & UTF8_FLAG or _unicode_path(info) is not None:
        return None
    return info.orig_filename.encode(_UNDECLARED)


def _declared(info: zipfile.ZipInfo) -> str:
    # Some tools of Windows write their own separator, against the format.
    return (_unicode_path(info) or info.filename).replace("\\", "/")


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in the Unicode extra field, where it belongs to the name in the header: its checksum says so."""
    raw = info.orig_filename.encode("utf-8" if info.flag_bits & UTF8_FLAG else _UNDECLARED)
    extra = info.extra
    while len(extra) >= 4:
        kind, size = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and field[:1] == b"\1" and int.from_bytes(field[1:5], "little") == zlib.crc32(raw):
            return _utf8(field[5:])
    return None


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _meanings(raw: bytes) -> list[str]:
    found = []
    for encoding in _GUESSES:
        try:
            found.append(f"{raw.decode(encoding)!r} ({encoding})")
        except UnicodeDecodeError:
            continue
    return found or ["nothing that is known"]
