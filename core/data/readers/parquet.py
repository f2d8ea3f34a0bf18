"""Parquet in the Hugging Face layout: an image column (struct of bytes and path, or bytes) and a label column.

Class names come from the ClassLabel feature in the schema's metadata; splits from file names such as
data/train-00000-of-00004.parquet. Row groups are read when their images are decoded, never all at once.
"""

import json
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.archives import check_sizes
from core.data.listing import Listing, Record, SplitName
from core.data.readers.split_words import split_of
from core.data.tree import Tree
from core.errors import DatasetInvalid, unknown
from core.spec import DatasetSpec

# Row groups held at a time: threads that decode in storage order are never further apart than this.
KEPT_GROUPS = 4

Key = tuple[str, int, int]  # file, row group, row in it


@dataclass
class _Images:
    """The image column, by key; safe for several threads."""

    files: dict[str, pq.ParquetFile]
    column: str

    def __post_init__(self) -> None:
        self._groups: OrderedDict[tuple[str, int], pa.ChunkedArray] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, key: Key) -> bytes:
        path, group, row = key
        value = self._group(path, group)[row].as_py()
        if isinstance(value, dict):
            value = value.get("bytes")
        if not isinstance(value, bytes):
            raise DatasetInvalid("the row holds no image bytes (only a path?)")
        return value

    def _group(self, path: str, group: int) -> pa.ChunkedArray:
        with self._lock:
            if (path, group) not in self._groups:
                try:
                    table = self.files[path].read_row_group(group, columns=[self.column])
                except (pa.ArrowException, OSError) as error:
                    raise DatasetInvalid(f"row group {group} of {path!r} is damaged: {error}") from None
                self._groups[path, group] = table.column(self.column)
                while len(self._groups) > KEPT_GROUPS:
                    self._groups.popitem(last=False)
            self._groups.move_to_end((path, group))
            return self._groups[path, group]


def read(tree: Tree, spec: DatasetSpec) -> Listing:
    """Labels are read at once, images when they are asked for."""
    paths = [path for path in tree.paths if path.endswith(".parquet")]
    if not paths:
        raise DatasetInvalid(f"{tree.where!r} holds no .parquet file", pointer="/dataset/uri")
    files = {path: _open(tree, path) for path in paths}
    records: list[Record] = []
    for path, file in files.items():
        _check_columns(file, path, spec)
        records += _records(file, path, spec, split_of(path))
    return Listing("parquet", records, _Images(files, spec.image_column))


def _open(tree: Tree, path: str) -> pq.ParquetFile:
    try:
        opened = tree.open(path)
        file = pq.ParquetFile(opened)
        groups = range(file.num_row_groups)
        declared = sum(file.metadata.row_group(group).total_byte_size for group in groups)
        check_sizes(declared, opened.seek(0, os.SEEK_END), tree.policy)
        return file
    except (pa.ArrowException, OSError) as error:
        raise DatasetInvalid(f"{path!r} is no whole parquet file: {error}", pointer="/dataset/uri") from None


def _check_columns(file: pq.ParquetFile, path: str, spec: DatasetSpec) -> None:
    columns = file.schema_arrow.names
    for pointer, column in (("image_column", spec.image_column), ("label_column", spec.label_column)):
        if column not in columns:
            raise DatasetInvalid(f"{path!r}: {unknown('column', column, columns)}", pointer=f"/dataset/{pointer}")


def _records(file: pq.ParquetFile, path: str, spec: DatasetSpec, split: SplitName | None) -> list[Record]:
    names = _class_names(file.schema_arrow, spec.label_column)
    width = len(str(file.metadata.num_rows))
    records: list[Record] = []
    for group in range(file.num_row_groups):
        labels = file.read_row_group(group, columns=[spec.label_column]).column(0).to_pylist()
        for row, label in enumerate(labels):
            name = f"{path}#{len(records):0{width}}"
            records.append(Record(name, _label(label, names, name), split, (path, group, row)))
    return records


def _label(value: Any, names: list[str] | None, where: str) -> str:
    if names is not None and isinstance(value, int):
        if not 0 <= value < len(names):
            raise DatasetInvalid(f"{where} has the label {value}; there are {len(names)} class names")
        return names[value]
    if not isinstance(value, int | str) or value == "":
        raise DatasetInvalid(f"{where} has the label {value!r}; wanted: a whole number or a text")
    return str(value)


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a ClassLabel feature, as `datasets` writes them into the schema; None where there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, ValueError, TypeError):
        return None
