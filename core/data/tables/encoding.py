"""The text of a table, where its encoding is certain: a byte order mark, or valid UTF-8."""

import codecs

from core.data.tree import Tree
from core.errors import DatasetInvalid

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

MAX_BYTES = 256 << 20
# What a value takes at most in memory beside its text: a cell of a row; an object of JSON that holds one value.
CELL_BYTES, JSON_BYTES = 64, 96
_ENDS_OF_LINES = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # of str.splitlines
_BETWEEN_CELLS, _IN_JSON = ",;\t| ", ",:[{"


def read_lines(tree: Tree, path: str) -> tuple[str, str]:
    """The text of a table or list of lines, and its encoding, for which rows and memory are taken from the budget."""
    text, encoding = _read(tree, path)
    lines = sum(text.count(end) for end in _ENDS_OF_LINES)
    tree.budget.take_rows(lines, path)
    cells = lines + sum(text.count(delimiter) for delimiter in _BETWEEN_CELLS)
    tree.budget.take_bytes(CELL_BYTES * cells, path)
    return text, encoding


def read_json(tree: Tree, path: str) -> tuple[str, str]:
    """The text of JSON or JSON lines, and its encoding; memory for its text and values is taken from the budget."""
    text, encoding = _read(tree, path)
    tree.budget.take_bytes(JSON_BYTES * sum(text.count(mark) for mark in _IN_JSON), path)
    return text, encoding


def _read(tree: Tree, path: str) -> tuple[str, str]:
    data = tree.read(path, min(MAX_BYTES, tree.budget.bytes_left))
    # A text beyond ASCII takes up to four bytes a character.
    tree.budget.take_bytes(len(data) if data.isascii() else 4 * len(data), path)
    return decoded(data, path)


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
