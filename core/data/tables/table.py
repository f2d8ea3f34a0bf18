"""A table as rows and columns, whatever form its file has: delimited text, JSON lines, or JSON."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from core.data.budget import Budget
from core.data.file_kinds import extension, looks_like_image
from core.data.tables.encoding import CELL_BYTES, read_json, read_lines
from core.data.tree import Tree
from core.errors import DatasetInvalid

Form = Literal["csv", "jsonl", "json"]
FORMS: dict[str, Form] = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".lst": "csv", ".list": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
}  # fmt: skip
DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?\r?\n')  # what Excel writes before the header
_LOOKED_AT = 50  # lines that tell the delimiter
_START = 1 << 20  # characters that these lines are among


@dataclass(frozen=True)
class Table:
    """`rows` are (line or item number, cells); a cell that a row lacks is None."""

    path: str
    form: Form
    encoding: str
    delimiter: str | None
    has_header: bool
    columns: tuple[str, ...]
    rows: list[tuple[int, list[Any]]]

    def column(self, name: str) -> list[Any]:
        """All cells of a column."""
        at = self.columns.index(name)
        return [cells[at] for _, cells in self.rows]


def read_table(
    tree: Tree, path: str, known_columns: frozenset[str], names_image: Callable[[str], bool] = looks_like_image
) -> Table:
    """Read a whole table. A first line with one of `known_columns` is a header; one with a cell that names an image is
    not.

    Raises DatasetInvalid, which names the table and line.
    """
    form = FORMS[extension(path)]
    if form == "csv":
        text, encoding = read_lines(tree, path)
        return _delimited(text, path, encoding, known_columns, names_image, tree.budget)
    text, encoding = read_json(tree, path)
    rows = list(_counted(_json_lines(text, path) if form == "jsonl" else _json_rows(text, path), path, tree.budget))
    columns = tuple(dict.fromkeys(name for _, row in rows for name in row))
    _take_cells(len(rows), len(columns), path, tree.budget)
    cells = [(number, [row.get(name) for name in columns]) for number, row in rows]
    return Table(path, form, encoding, None, True, columns, cells)


def _counted(rows: Iterator[Any], path: str, budget: Budget) -> Iterator[Any]:
    for row in rows:
        budget.take_rows(1, path)
        yield row


def _take_cells(num_rows: int, num_columns: int, path: str, budget: Budget) -> None:
    """For a cell of every row in every column, also where few rows have many columns of their own."""
    budget.take_bytes(8 * num_rows * num_columns, path)


def _delimited(
    text: str, path: str, encoding: str, known: frozenset[str], names_image: Callable[[str], bool], budget: Budget
) -> Table:
    told = _SEPARATOR_LINE.match(text)
    text = text[told.end() :] if told else text
    delimiter = told[1] if told else _delimiter(text, path, known)
    budget.take_bytes(CELL_BYTES * text.count(delimiter) if told else 0, path)
    rows = [(number, cells) for number, cells in _cells(text, path, delimiter) if any(cell.strip() for cell in cells)]
    if not rows:
        raise DatasetInvalid(f"the table {path!r} is empty")
    first = [cell.strip() for cell in rows[0][1]]
    has_header = bool(known & set(first)) or not any(looks_like_image(cell) or names_image(cell) for cell in first)
    columns = tuple(name if has_header and name else f"column {n}" for n, name in enumerate(first, 1))
    if len(set(columns)) < len(columns):
        raise DatasetInvalid(f"the table {path!r} names a column twice: {', '.join(columns)}")
    body = rows[1:] if has_header else rows
    _take_cells(len(body), len(columns), path, budget)
    for number, cells in body:
        if len(cells) > len(columns):
            raise DatasetInvalid(f"{path!r}, line {number} has {len(cells)} cells; there are {len(columns)} columns")
    filled: list[tuple[int, list[Any]]] = [(n, [*cells, *[None] * (len(columns) - len(cells))]) for n, cells in body]
    return Table(path, "csv", encoding, delimiter, has_header, columns, filled)


def _cells(text: str, path: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DatasetInvalid(f"{path!r}, line {reader.line_num}: {error}") from None


def _delimiter(text: str, path: str, known: frozenset[str]) -> str:
    """The delimiter that cuts the first lines into the same number of cells; known column names decide between two."""
    sample = "".join(text[:_START].splitlines(keepends=True)[:_LOOKED_AT])
    best, best_score = ",", (False, False, 0)
    for delimiter in (*DELIMITERS, " ") if extension(path) in (".txt", ".lst", ".list") else DELIMITERS:
        try:
            rows = [cells for _, cells in _cells(sample, path, delimiter) if any(cells)]
        except DatasetInvalid:
            continue
        widths = {len(cells) for cells in rows}
        names = len(known & {cell.strip() for cell in rows[0]}) if rows else 0
        score = (bool(widths) and min(widths) > 1, len(widths) == 1, names)
        if score > best_score and score[0]:
            best, best_score = delimiter, score
    return best


def _json_lines(text: str, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetInvalid(f"{path!r}, line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise DatasetInvalid(f"{path!r}, line {number} holds no object")
        yield number, row


def _json_rows(text: str, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a list of objects, alone or under one key; of an object path -> class or path -> object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetInvalid(f"{path!r} is no JSON: {error}") from None
    if isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), list):
        value = next(iter(value.values()))
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return iter(enumerate(value, 1))
    if isinstance(value, dict) and value and all(isinstance(row, str | int | float) for row in value.values()):
        return iter(enumerate(({"image": name, "label": row} for name, row in value.items()), 1))
    if isinstance(value, dict) and value and all(isinstance(row, dict) for row in value.values()):
        return iter(enumerate(({"image": name, **row} for name, row in value.items()), 1))
    raise DatasetInvalid(f"{path!r} holds {_shape(value)}; wanted: a list of objects, or an object image -> class")


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with the keys {', '.join(map(repr, list(value)[:6])) or 'none'}"
    return f"a list of {type(value[0]).__name__}" if isinstance(value, list) and value else f"{value!r:.40}"
