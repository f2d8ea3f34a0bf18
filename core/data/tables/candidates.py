"""Tables that may have the labels: where they are, their names, and the reason why one cannot be used."""

import posixpath
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from core.data.file_kinds import extension
from core.data.listing import SplitName
from core.data.split_names import split_word, words_of
from core.data.tables.columns import Columns, choose, explicit, known_columns, share_found
from core.data.tables.image_index import ImageIndex
from core.data.tables.one_hot import folded
from core.data.tables.table import FORMS, Table, read_table
from core.data.tree import Tree
from core.errors import DatasetInvalid
from core.spec import DatasetSpec

# Beyond so many files of one extension in one folder they are notes on single images.
MOST_IN_A_FOLDER = 8
MOST_TABLES = 64
# Tables that no reader opens: named in a refusal.
FOREIGN = frozenset({".xlsx", ".xls", ".ods", ".xml", ".mat", ".pkl", ".pickle", ".db", ".sqlite", ".mdb", ".h5"})
# Kaggle's sample_submission.csv names test images with classes that mean nothing.
PLACEHOLDERS = frozenset({"submission", "submissions", "submit"})


@dataclass(frozen=True)
class Candidate:
    """A table that was read; `columns` is None where `problem` says why it cannot be used."""

    table: Table
    folder: str
    split: SplitName | None
    columns: Columns | None
    problem: str = ""
    explicit: bool = False
    share_found: float = 0.0
    """Of its rows, those that name an image of the dataset."""
    is_sample: bool = False
    """Whether it is a sample of answers by its name, whose labels mean nothing."""


def table_paths(tree: Tree) -> list[str]:
    """Files that may be tables; of very many those nearest to the top."""
    paths = [path for path in tree.paths if extension(path) in FORMS]
    crowds = Counter((posixpath.dirname(path), extension(path)) for path in paths)
    paths = [path for path in paths if crowds[posixpath.dirname(path), extension(path)] <= MOST_IN_A_FOLDER]
    if len(paths) > MOST_TABLES:
        top = min(path.count("/") for path in paths)
        paths = [path for path in paths if path.count("/") == top][:MOST_TABLES]
    return paths


def has_lists(tree: Tree) -> bool:
    """Whether a text or table tells a split by its name, and so may list the images of this split."""
    texts = (path for path in tree.paths if extension(path) in FORMS)
    return any(split_word(posixpath.splitext(posixpath.basename(path))[0]) is not None for path in texts)


def foreign_tables(tree: Tree) -> list[str]:
    """Files of a kind that often holds labels and is never read."""
    return [path for path in tree.paths if extension(path) in FOREIGN]


def read_candidates(tree: Tree, paths: Iterable[str], images: ImageIndex, spec: DatasetSpec) -> list[Candidate]:
    """Each table with its columns, or with the reason why it cannot be used."""
    return [_candidate(tree, path, images, spec) for path in paths]


def _candidate(tree: Tree, path: str, images: ImageIndex, spec: DatasetSpec) -> Candidate:
    folder = posixpath.dirname(path)
    split = _split_of(path)
    try:
        table = read_table(tree, path, known_columns(spec), partial(images.names, folder=folder))
    except DatasetInvalid as error:
        problem = f"{error.message}; {error.hint}" if error.hint else error.message
        return Candidate(Table(path, FORMS[extension(path)], "", None, False, (), []), folder, split, None, problem)
    if set(words_of(posixpath.basename(path))) & PLACEHOLDERS:
        return Candidate(table, folder, split, None, f"{path!r} is a sample of answers by its name", is_sample=True)
    if not table.rows:
        return Candidate(table, folder, split, None, f"{path!r} has no rows")
    try:
        table, columns = _with_columns(table, spec, images, folder)
    except DatasetInvalid as error:
        shares = [share_found(table, name, images, folder) for name in table.columns]
        return Candidate(table, folder, split, None, error.message, share_found=max(shares, default=0.0))
    found = share_found(table, columns.image, images, folder)
    is_explicit = explicit(table, spec)
    if not found and not images.is_empty:
        addresses = any("://" in str(cell) for cell in table.column(columns.image)[:1])
        why = f"the column {columns.image!r} of {path!r} (columns {', '.join(table.columns)}) names no image" + (
            "; it holds web addresses, and images of a table are files beside it" if addresses else ""
        )
        return Candidate(table, folder, split, None, why)
    return Candidate(table, folder, split, columns, explicit=is_explicit, share_found=found)


def _with_columns(table: Table, spec: DatasetSpec, images: ImageIndex, folder: str) -> tuple[Table, Columns]:
    """The table and its columns; of a table with a column for each class, the table with a column of classes."""
    try:
        return table, choose(table, spec, images, folder)
    except DatasetInvalid:
        one_hot = folded(table, images, folder)
        if one_hot is None:
            raise
        return one_hot, choose(one_hot, spec, images, folder)


def _split_of(path: str) -> SplitName | None:
    """The split that a table's name tells, or the folder that it lies in."""
    for part in (posixpath.basename(path), posixpath.basename(posixpath.dirname(path))):
        word = split_word(posixpath.splitext(part)[0])
        if word is not None:
            return word.split
    return None
