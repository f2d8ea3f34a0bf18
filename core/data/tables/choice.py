"""Whether folders or tables give the classes, and which tables: the decision, or a refusal that names all of them."""

import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.data.file_kinds import Contents, extension, listed, looks_like_image
from core.data.layout.classes import Layout
from core.data.layout.siblings import Unclear
from core.data.split_names import split_word
from core.data.split_rules import SplitRules
from core.data.tables.candidates import Candidate, foreign_tables, has_lists, read_candidates, table_paths
from core.data.tables.columns import LABEL_COLUMNS
from core.data.tables.flat_splits import FlatSplit, labelled
from core.data.tables.image_index import ImageIndex
from core.data.tables.rows import folder_splits, records_of
from core.data.tree import Tree
from core.errors import DatasetInvalid
from core.spec import DatasetSpec

MOST_LISTED = 4


class FilesToLabel(Protocol):
    """What the choice needs of a dataset that is being read."""

    tree: Tree
    spec: DatasetSpec
    rules: SplitRules

    @property
    def contents(self) -> Contents:
        """The loose images."""

    @property
    def layout(self) -> tuple[Layout, int]:
        """Class and split of each by its folders, and how many are ignored. Raises Unclear."""


@dataclass(frozen=True)
class Choice:
    """The tables that give the classes (none: folders do), and those that lie beside them unused."""

    used: tuple[Candidate, ...]
    unused: tuple[Candidate, ...]
    images: ImageIndex
    flat: tuple[FlatSplit, ...] = ()
    """Of class folders, the splits without class folders that tables label."""


def choose_tables(reading: FilesToLabel) -> Choice:
    """Decide for the whole dataset. Raises DatasetInvalid where neither folders nor tables tell, or both differ."""
    paths = [path for path in table_paths(reading.tree) if not _is_ignored(path, reading)]
    images = reading.contents.images or tuple(filter(looks_like_image, reading.tree.neighbours()))
    named = images if paths or has_lists(reading.tree) else ()  # without tables nothing is looked up
    index = ImageIndex(named, folder_splits(named, reading.rules))
    candidates = read_candidates(reading.tree, paths, index, reading.spec)
    form = reading.spec.format
    if form in ("csv", "jsonl", "json"):
        return _choice(
            [one for one in candidates if one.table.form == form], candidates, index, _no_table(reading, form)
        )
    if form == "folder":
        return _of_folders(candidates, index, _flat(candidates, reading, index))
    plain = _plain_table(candidates)
    if plain is not None:
        return Choice((plain,), tuple(one for one in candidates if one is not plain), index)
    if not images and not any(one.columns or extension(one.table.path) != ".txt" for one in candidates):
        return Choice((), (), index)
    refusal = _folder_refusal(reading)
    if refusal is None:
        try:
            flat = _flat(candidates, reading, index)
        except Unclear as error:
            refusal = error
        else:
            _check_agreement(candidates, reading, index)
            return _of_folders(candidates, index, flat)
    choice = _choice(candidates, candidates, index, refusal, reading)
    _check_covered(choice, reading, refusal)
    return choice


def _of_folders(candidates: Sequence[Candidate], index: ImageIndex, flat: list[FlatSplit]) -> Choice:
    labelling = {one.candidate.table.path for one in flat}
    unused = tuple(one for one in candidates if one.table.path not in labelling)
    return Choice((), unused, index, tuple(flat))


def _flat(candidates: Sequence[Candidate], reading: FilesToLabel, index: ImageIndex) -> list[FlatSplit]:
    """The classes that tables give to split folders without class folders. Raises Unclear."""
    layout = reading.layout[0]
    return labelled(layout, candidates, reading.contents.images, index, reading.spec) if layout.flat else []


def _is_ignored(path: str, reading: FilesToLabel) -> bool:
    match = reading.rules.match(path)
    return match is not None and match.target == "ignore"


def _plain_table(candidates: Sequence[Candidate]) -> Candidate | None:
    """The one table of its form at the top that has the columns of the spec: it gives the classes, folders or not."""
    top = min((one.table.path.count("/") for one in candidates), default=0)
    for form in ("csv", "jsonl", "json"):
        there = [one for one in candidates if one.table.form == form and one.table.path.count("/") == top]
        usable = [one for one in there if one.columns is not None]
        if len(usable) == 1 and usable[0].explicit and usable[0].split is None:
            return usable[0]
    return None


def _folder_refusal(reading: FilesToLabel) -> DatasetInvalid | None:
    """Why folders do not tell at least two classes; None where they do."""
    if not reading.contents.images:
        return DatasetInvalid(f"{reading.tree.where!r} holds no image", pointer="/dataset/uri")
    try:
        layout, _ = reading.layout
    except Unclear as error:
        return error
    labels = {label for _, label, _ in layout.placed}
    if len(labels) > 1 or not labels:
        return None
    beside = listed(reading.contents.passed_over)
    return DatasetInvalid(
        f"the folders give only the class {labels.pop()!r}; at least two are needed"
        + (f" (beside the images: {beside})" if beside else ""),
        hint="sort the images into a folder for each class, or put a table beside them with columns image and label",
        pointer="/dataset",
    )


def _no_table(reading: FilesToLabel, form: str) -> DatasetInvalid:
    return DatasetInvalid(f"{reading.tree.where!r} holds no table of the format {form}", pointer="/dataset/format")


def _choice(
    allowed: Sequence[Candidate],
    candidates: Sequence[Candidate],
    index: ImageIndex,
    refusal: DatasetInvalid,
    reading: FilesToLabel | None = None,
) -> Choice:
    usable = [one for one in allowed if one.columns is not None]
    if not usable:
        raise _with_tables(refusal, allowed, foreign_tables(reading.tree) if reading is not None else [])
    if any(one.explicit for one in usable):  # another column of another table is no label of this dataset
        usable = [one for one in usable if one.explicit]
    used = _of_one_dataset(usable)
    return Choice(tuple(used), tuple(one for one in candidates if all(one is not other for other in used)), index)


def _check_covered(choice: Choice, reading: FilesToLabel, refusal: DatasetInvalid) -> None:
    """Raise the refusal of the folders where the tables leave out most images that are of no test split.

    A table of the validation images alone, beside class folders for training, is such a case.
    """
    named = {record.key for one in choice.used for record in records_of(one, choice.images, reading.rules).records}
    others = [
        path
        for path in reading.contents.images
        if path not in named and reading.rules.match(path) is None and choice.images.split_of(path) != "test"
    ]
    if len(others) > len(named):
        tables = ", ".join(repr(one.table.path) for one in choice.used)
        raise DatasetInvalid(
            f"{refusal.message}. Tables: {tables} names {len(named)} images, and {len(others)} others, such as "
            f"{others[0]!r}, are in none",
            hint=refusal.hint,
            pointer=refusal.pointer,
        )


def _of_one_dataset(usable: list[Candidate]) -> list[Candidate]:
    """All of them, where their names tell splits or numbers, or they are one name in several folders."""
    if len(usable) == 1:
        return usable
    exact = [one for one in usable if one.explicit and one.share_found]
    names = {posixpath.basename(one.table.path) for one in usable}
    if len(names) == 1 or all(one.split is not None for one in usable):
        words = {(one.split, _word(one)) for one in usable if one.split is not None}
        if len(words) == len({split for split, _ in words}):
            return usable
    if len(exact) == 1:
        return exact
    listed = "; ".join(f"{one.table.path!r} (columns {', '.join(one.table.columns)})" for one in usable[:MOST_LISTED])
    raise Unclear(
        f"several tables could give the classes: {listed}",
        hint='say which in dataset.splits, as in {"other.csv": "ignore"}, or give the URI of one table',
    )


def _word(candidate: Candidate) -> str:
    word = split_word(posixpath.splitext(posixpath.basename(candidate.table.path))[0])
    return word.word if word is not None else ""


def _with_tables(refusal: DatasetInvalid, candidates: Sequence[Candidate], foreign: list[str]) -> DatasetInvalid:
    """The refusal, with each table and why it does not help."""
    problems = [one.problem for one in candidates if one.problem]
    kinds = Counter(map(extension, foreign))
    problems += [
        f"{next(path for path in foreign if extension(path) == kind)!r}"
        + (f" and {count - 1} more" if count > 1 else "")
        + f" {'are' if count > 1 else 'is'} of a kind that is not read; save the labels as CSV"
        for kind, count in kinds.items()
    ]
    if not problems:
        return refusal
    listed = "; ".join(problems[:MOST_LISTED])
    more = f"; and {len(problems) - MOST_LISTED} more" if len(problems) > MOST_LISTED else ""
    return DatasetInvalid(
        f"{refusal.message}. Tables: {listed}{more}",
        hint="name the columns in dataset.image_column and dataset.label_column, or: "
        + (refusal.hint or "sort the images into a folder for each class"),
        pointer=refusal.pointer,
    )


def _check_agreement(candidates: Sequence[Candidate], reading: FilesToLabel, index: ImageIndex) -> None:
    """Raise Unclear where a table with a column of classes gives other classes than the folders do."""
    by_folder: dict[str, str] = {}
    for one in candidates:
        if one.columns is None or one.columns.label.casefold() not in (*LABEL_COLUMNS, reading.spec.label_column):
            continue
        by_folder = by_folder or {path: label for path, label, _ in reading.layout[0].placed}
        records = records_of(one, index, reading.rules).records
        named = [record for record in records if record.name in by_folder]
        if named and not _same_partition([(by_folder[record.name], record.label) for record in named]):
            other = next((record for record in named if by_folder[record.name] != record.label), named[0])
            raise Unclear(
                f"the table {one.table.path!r} (columns {', '.join(one.table.columns)}) and the folders give different "
                f"classes: {other.name!r} is {other.label!r} there and {by_folder[other.name]!r} here",
                hint=f"say which counts in dataset.format: folder, or {one.table.form}",
            )


def _same_partition(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether two namings of classes say the same of every image, such as `0` for `ants`."""
    forth, back = dict(pairs), {two: one for one, two in pairs}
    return all(forth[one] == two and back[two] == one for one, two in pairs)
