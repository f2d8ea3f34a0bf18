"""From the rows of a label table to records: which image, which class, which split."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from core.data.labels import column_texts, is_missing, label_text
from core.data.listing import Record, SplitName
from core.data.split_names import WORDS, sibling_splits, split_of_value
from core.data.split_rules import SplitRules
from core.data.tables.candidates import Candidate
from core.data.tables.columns import Columns
from core.data.tables.image_index import ImageIndex
from core.errors import DatasetInvalid, unknown


@dataclass(frozen=True)
class Rows:
    """The records of one table, and how many of its rows were not used."""

    records: list[Record]
    num_unlabelled: int = 0
    num_ignored: int = 0


def records_of(candidate: Candidate, images: ImageIndex, rules: SplitRules) -> Rows:
    """One record for each labelled row, in order.

    A table none of whose rows has a label gives no record. Raises DatasetInvalid, which names table and line.
    """
    columns = candidate.columns
    if columns is None:
        raise DatasetInvalid(f"the table {candidate.table.path!r} cannot be used: {candidate.problem}")
    cells = candidate.table.column(columns.label)
    missing = [is_missing(cell) for cell in cells]
    if all(missing):
        return Rows([], num_unlabelled=len(cells))
    labels = _labels(candidate, columns, cells)
    given = candidate.table.column(columns.split) if columns.split else [None] * len(cells)
    records: list[Record] = []
    for (number, _), path, label, split in zip(
        candidate.table.rows, candidate.table.column(columns.image), labels, given, strict=True
    ):
        where = f"{candidate.table.path!r}, line {number}"
        image = _image(path, where, candidate, images)
        told = split_cell(split, where) or candidate.split or images.split_of(image)
        match = rules.match(image) or rules.match(candidate.table.path)
        if match is None:
            records.append(Record(image, label, told, image))
        elif match.target != "ignore":
            records.append(Record(image, label, match.target, image))
    return Rows(records, num_ignored=len(cells) - len(records))


def folder_splits(images: Sequence[str], rules: SplitRules) -> dict[str, SplitName]:
    """Folders beside each other that are splits by their names, such as `train` and `test` -> split."""
    if not rules.reads_names:
        return {}
    parents: dict[str, set[str]] = {}
    for folder in {posixpath.dirname(path) for path in images}:
        parts = folder.split("/") if folder else []
        for depth, name in enumerate(parts):
            parents.setdefault("/".join(parts[:depth]), set()).add(name)
    return {
        posixpath.join(parent, name): word.split
        for parent, names in parents.items()
        for name, word in sibling_splits(sorted(names)).items()
    }


def split_cell(value: Any, where: str) -> SplitName | None:
    """The split that a cell tells; None for an empty one. Raises DatasetInvalid for any other value."""
    if is_missing(value):
        return None
    split = split_of_value(value) if isinstance(value, str) else None
    if split is None:
        raise DatasetInvalid(f"{where}: {unknown('split', str(value), WORDS)}")
    return split


def _labels(candidate: Candidate, columns: Columns, cells: list[Any]) -> list[str]:
    table = candidate.table
    lines = [f"{table.path!r}, line {number}" for number, _ in table.rows]
    labels = [label_text(cell, where) for cell, where in zip(cells, lines, strict=True)]
    return column_texts(labels, f"{table.path!r}, column {columns.label!r}")


def _image(cell: Any, where: str, candidate: Candidate, images: ImageIndex) -> str:
    """The path of the image that a row names; where there is none, the path as written, which decoding reports."""
    if "://" in str(cell):
        raise DatasetInvalid(
            f"{where}: {cell!r} is an address; images of a table are files beside it",
            hint="download the images, and name the files in the table",
        )
    try:
        found = images.find(cell, candidate.folder, candidate.split)
    except DatasetInvalid as error:
        raise DatasetInvalid(f"{where}: the image {error.message}") from None
    if found is None and (not isinstance(cell, str | int) or isinstance(cell, bool) or _climbs(str(cell))):
        raise DatasetInvalid(f"{where}: the path {cell!r} is none below the table's folder")
    return found or str(PurePosixPath(candidate.folder) / str(cell).replace("\\", "/"))


def _climbs(path: str) -> bool:
    parts = path.replace("\\", "/")
    return not parts or parts.startswith("/") or parts[1:3] == ":/" or ".." in parts.split("/") or "\0" in path
