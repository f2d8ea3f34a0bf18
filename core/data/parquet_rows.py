"""Parquet in the Hugging Face layout: an image column (struct of bytes and path, or bytes) and a label column.

Class names come from the ClassLabel feature in the schema's metadata; splits from file names such as
data/train-00000-of-00004.parquet or flowers-test.parquet. Row groups are read
when their images are decoded, never all at once.
"""

import json
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.archives.checks import check_sizes
from core.data.file_kinds import extension
from core.data.labels import column_texts, is_missing, label_text
from core.data.listing import Listing, Record, SplitName
from core.data.parquet_columns import image_column, label_column
from core.data.passed_over import IGNORED_FILES, files_warning, unlabelled_warnings, with_litter
from core.data.reading import Reading
from core.data.shards import split_files
from core.data.tables.rows import split_cell
from core.data.tree import Tree
from core.errors import DatasetInvalid, unknown
from core.spec import DatasetSpec

# Row groups held at a time: threads that decode in storage order are never further apart than this.
KEPT_GROUPS = 4
_SPLIT = "split"  # the column that tells the split of each row, where the file's name tells none

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
                self._groups[path, group] = image_column(self.files[path], path, self.column, group)
                while len(self._groups) > KEPT_GROUPS:
                    self._groups.popitem(last=False)
            self._groups.move_to_end((path, group))
            return self._groups[path, group]


@dataclass(frozen=True)
class _File:
    """One file, with what it says of labels."""

    path: str
    file: pq.ParquetFile
    split: SplitName | None
    names: list[str] | None
    """The class names of its ClassLabel feature."""
    labels: list[list[Any]]
    """Row group -> labels as they are stored."""
    splits: list[list[Any]]
    """Row group -> cells of the column `split`; empty without it."""


def read(reading: Reading, paths: list[str]) -> Listing:
    """The listing of the files at `paths`. Labels are read at once, images when they are asked for."""
    tree, spec = reading.tree, reading.spec
    if not paths:
        raise DatasetInvalid(f"{tree.where!r} holds no .parquet file", pointer="/dataset/uri")
    splits = split_files(paths, reading.rules)
    files = [_read_file(tree, path, spec, split) for path, split in splits.items()]
    names = _common_names(files)
    records: list[Record] = []
    unlabelled: dict[SplitName | None, int] = {}
    for split in dict.fromkeys(one.split for one in files):
        members = [one for one in files if one.split == split]
        if _has_labels(members):
            records += [record for one in members for record in _records(one, names)]
        else:
            unlabelled[split] = sum(len(group) for one in members for group in one.labels)
    if names is None:  # texts that are numbers are classes as numbers are
        labels = column_texts([record.label for record in records], f"column {spec.label_column!r}")
        records = [replace(record, label=label) for record, label in zip(records, labels, strict=True)]
    if not records and unlabelled:
        raise DatasetInvalid(f"no row of {tree.where!r} has a label", pointer="/dataset/label_column")
    order = {path: number for number, path in enumerate(splits)}
    counts = Counter(extension(path) or "no extension" for path in tree.paths if path not in paths)
    ignored = len(paths) - len(splits)
    return Listing(
        "parquet",
        sorted(records, key=lambda record: (order[record.key[0]], *record.key[1:])),
        _Images({one.path: one.file for one in files}, spec.image_column),
        passed_over=with_litter(counts + Counter({IGNORED_FILES: ignored}), tree),
        warnings=(*unlabelled_warnings(unlabelled), *files_warning(counts)),
    )


def _read_file(tree: Tree, path: str, spec: DatasetSpec, split: SplitName | None) -> _File:
    file = _open(tree, path, (spec.label_column, _SPLIT))
    _check_columns(file, path, spec)
    tree.budget.take_entries(file.metadata.num_rows, path)
    labels = label_column(file, path, spec.label_column, tree.budget)
    has_splits = _SPLIT in file.schema_arrow.names and split is None
    splits = label_column(file, path, _SPLIT, tree.budget) if has_splits else []
    return _File(path, file, split, _class_names(file.schema_arrow, spec.label_column), labels, splits)


def _common_names(files: list[_File]) -> list[str] | None:
    """The class names that all files with a ClassLabel share; they hold for files without as well."""
    found = [one.names for one in files if one.names is not None]
    if any(names != found[0] for names in found):
        raise DatasetInvalid(
            f"the files give different class names: {found[0]} and {next(n for n in found if n != found[0])}",
            pointer="/dataset/uri",
        )
    return found[0] if found else None


def _has_labels(files: list[_File]) -> bool:
    """Whether a split has labels at all: not where each is missing, or -1 as `datasets` writes it."""
    values = {label for one in files for group in one.labels for label in group if not isinstance(label, dict | list)}
    return not values or any(not is_missing(value) and value != -1 for value in values)


def _open(tree: Tree, path: str, dictionaries: Sequence[str]) -> pq.ParquetFile:
    """The file; columns that are named in `dictionaries` and hold texts are read as dictionaries."""
    try:
        opened = tree.open(path)
        metadata = pq.read_metadata(opened)
        texts = [column.name for column in metadata.schema.to_arrow_schema() if pa.types.is_string(column.type)]
        file = pq.ParquetFile(
            opened, metadata=metadata, read_dictionary=[name for name in dictionaries if name in texts]
        )
        groups = range(file.num_row_groups)
        declared = sum(file.metadata.row_group(group).total_byte_size for group in groups)
        check_sizes(declared, opened.seek(0, os.SEEK_END), tree.budget.policy)
        return file
    except (pa.ArrowException, OSError) as error:
        raise DatasetInvalid(f"{path!r} is no whole parquet file: {error}", pointer="/dataset/uri") from None


def _check_columns(file: pq.ParquetFile, path: str, spec: DatasetSpec) -> None:
    columns = file.schema_arrow.names
    for pointer, column in (("image_column", spec.image_column), ("label_column", spec.label_column)):
        if column not in columns:
            raise DatasetInvalid(f"{path!r}: {unknown('column', column, columns)}", pointer=f"/dataset/{pointer}")


def _records(one: _File, names: list[str] | None) -> list[Record]:
    width = len(str(one.file.metadata.num_rows))
    records: list[Record] = []
    for group, labels in enumerate(one.labels):
        for row, label in enumerate(labels):
            name = f"{one.path}#{len(records):0{width}}"
            split = split_cell(one.splits[group][row], name) if one.splits else one.split
            records.append(Record(name, _label(label, names, name), split, (one.path, group, row)))
    return records


def _label(value: Any, names: list[str] | None, where: str) -> str:
    if names is None or isinstance(value, str | bool):
        return label_text(value, where)
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    raise DatasetInvalid(
        f"{where} has the label {value!r}; there are {len(names)} class names",
        hint="leave out rows without a label, or the whole file by dataset.splits",
        pointer="/dataset/label_column",
    )


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a ClassLabel feature, as `datasets` writes them into the schema; None where there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, ValueError, TypeError):
        return None
