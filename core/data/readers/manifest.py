"""A table of images, CSV with a header or JSONL: path, label and, if wanted, split. Paths are relative to the table."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from core.data.images import encoded_reader
from core.data.listing import SPLIT_WORDS, Listing, Record, SplitName
from core.data.tree import Tree
from core.errors import DatasetInvalid, unknown
from core.spec import DatasetSpec

# Names of the path column that are understood where spec.image_column is not there.
PATH_COLUMNS = ("path", "file_name", "filename", "file", "image")
MAX_BYTES = 1 << 30

Row = tuple[int, dict[str, Any]]  # line number, columns


def recognizes_csv(tree: Tree, spec: DatasetSpec) -> bool:
    return _recognizes(tree, spec, ".csv")


def recognizes_jsonl(tree: Tree, spec: DatasetSpec) -> bool:
    return _recognizes(tree, spec, ".jsonl")


def read_csv(tree: Tree, spec: DatasetSpec) -> Listing:
    """Comma-separated with a header line; UTF-8, with or without a byte order mark."""
    return _read(tree, spec, ".csv")


def read_jsonl(tree: Tree, spec: DatasetSpec) -> Listing:
    """One JSON object a line."""
    return _read(tree, spec, ".jsonl")


def _tables(tree: Tree, extension: str) -> list[str]:
    """The tables at the top, or in the one folder around everything."""
    depth = min((path.count("/") for path in tree.paths), default=0)
    return [path for path in tree.paths if path.lower().endswith(extension) and path.count("/") == depth]


def _recognizes(tree: Tree, spec: DatasetSpec, extension: str) -> bool:
    """Whether exactly one table lies at the top and has the two columns; any other table is not the dataset's."""
    tables = _tables(tree, extension)
    if len(tables) != 1:
        return False
    if tree.paths == tuple(tables):
        return True
    try:
        _, first = next(_rows(tree, tables[0], extension))
    except (StopIteration, DatasetInvalid):
        return False
    return spec.label_column in first and _path_column(first, spec) is not None


def _read(tree: Tree, spec: DatasetSpec, extension: str) -> Listing:
    tables = _tables(tree, extension)
    if len(tables) != 1:
        listed = ", ".join(tables) or "none"
        raise DatasetInvalid(f"{tree.where!r} holds not one {extension} table at its top: {listed}")
    folder = PurePosixPath(tables[0]).parent
    records = [_record(row, tables[0], folder, spec) for row in _rows(tree, tables[0], extension)]
    return Listing(extension.removeprefix("."), records, encoded_reader(tree))


def _rows(tree: Tree, path: str, extension: str) -> Iterator[Row]:
    try:
        text = tree.read(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetInvalid(f"{path!r} is not UTF-8: {error}") from None
    return _json_rows(text, path) if extension == ".jsonl" else _csv_rows(text, path)


def _csv_rows(text: str, path: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text), strict=True, skipinitialspace=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DatasetInvalid(f"{path!r}, line {reader.line_num}: {error}") from None


def _json_rows(text: str, path: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DatasetInvalid(f"{path!r}, line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise DatasetInvalid(f"{path!r}, line {number} holds no object")
        yield number, row


def _path_column(row: dict[str, Any], spec: DatasetSpec) -> str | None:
    return next((name for name in (spec.image_column, *PATH_COLUMNS) if name in row), None)


def _record(numbered: Row, table: str, folder: PurePosixPath, spec: DatasetSpec) -> Record:
    number, row = numbered
    where = f"{table!r}, line {number}"
    column = _path_column(row, spec)
    if column is None:
        raise DatasetInvalid(f"{where}: {_lacks(spec.image_column, row)}", pointer="/dataset/image_column")
    if spec.label_column not in row:
        raise DatasetInvalid(f"{where}: {_lacks(spec.label_column, row)}", pointer="/dataset/label_column")
    path, label = row[column], row[spec.label_column]
    if not isinstance(path, str) or not path or _climbs(path):
        raise DatasetInvalid(f"{where}: the path {path!r} is none below the table's folder")
    if isinstance(label, bool) or not isinstance(label, int | str) or label == "":
        raise DatasetInvalid(f"{where}: the label {label!r} is neither a whole number nor a text")
    return Record(str(folder / path), str(label), _split(row.get("split"), where), str(folder / path))


def _lacks(column: str, row: dict[str, Any]) -> str:
    return unknown("column", column, [str(name) for name in row])


def _climbs(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or ".." in path.replace("\\", "/").split("/") or "\0" in path


def _split(value: Any, where: str) -> SplitName | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or value.lower() not in SPLIT_WORDS:
        raise DatasetInvalid(f"{where}: {unknown('split', str(value), SPLIT_WORDS)}")
    return SPLIT_WORDS[value.lower()]
