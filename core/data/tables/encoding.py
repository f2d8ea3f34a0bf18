"""The text of a table, where its encoding is certain: a byte order mark, or valid UTF-8."""

import codecs

from core.errors import DatasetInvalid

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decoded(data: bytes, path: str) -> tuple[str, str]:
    """The text and its encoding. Raises DatasetInvalid where the encoding is not certain."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise _undecided(path, f"starts with the mark of {encoding} and breaks it: {error}") from None
    if b"\0" in data[:4096]:
        raise _undecided(path, "holds zero bytes, as UTF-16 without its mark does")
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _undecided(path, f"is not UTF-8 in line {line} (byte {error.start}); perhaps Latin-1") from None


def _undecided(path: str, why: str) -> DatasetInvalid:
    return DatasetInvalid(
        f"the table {path!r} {why}",
        hint="save it as UTF-8 (spreadsheets: CSV UTF-8; command line: iconv -f LATIN1 -t UTF-8)",
        pointer="/dataset/uri",
    )
