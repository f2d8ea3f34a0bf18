"""The entries of a text list: one image a line, alone or in one column of several."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_DELIMITERS = (None, "\t", ",", ";", " ")  # None: the whole line is the entry, also where it holds a space
_LOOKED_AT = 400  # lines that tell the column, spread over the file: lists are often sorted by class


@dataclass(frozen=True)
class TextEntries:
    """The entries of the column that names images. Without such a column, those of the first."""

    entries: tuple[str, ...]
    share_found: float
    """Of the lines looked at, those that name an image."""


def text_entries(text: str, names_image: Callable[[str], bool]) -> TextEntries:
    """The column of `text` most of whose cells name images."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    sample = lines[:: max(1, len(lines) // _LOOKED_AT)]
    best, delimiter, column = 0.0, None, 0
    for one in _DELIMITERS:
        rows = list(_cells(sample, one))
        for number in range(max(map(len, rows), default=0)):
            share = sum(len(row) > number and names_image(row[number]) for row in rows) / len(rows)
            if share > best:
                best, delimiter, column = share, one, number
    rows = list(_cells(lines, delimiter))
    entries = [row[column] if len(row) > column else "" for row in rows]
    if len(entries) > 1 and _is_header(entries, names_image):
        entries = entries[1:]
    return TextEntries(tuple(entries), best)


def _is_header(entries: Sequence[str], names_image: Callable[[str], bool]) -> bool:
    return not names_image(entries[0]) and "." not in entries[0] and "/" not in entries[0] and names_image(entries[1])


def _cells(lines: Sequence[str], delimiter: str | None) -> Iterator[list[str]]:
    if delimiter is None:
        return ([line.strip()] for line in lines)
    return (row or [""] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
