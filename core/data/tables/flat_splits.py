"""A split folder whose images lie side by side, beside class folders of other splits: a table gives their classes.

tiny-imagenet has `val/images` and `val_annotations.txt`, GTSRB has `Test` and `Test.csv`. A table is certain where its
labels are classes of the class folders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.data.class_names import spelled
from core.data.labels import column_texts, is_missing, label_text
from core.data.layout.classes import Layout, without_classes
from core.data.layout.siblings import Unclear
from core.data.listing import SplitName
from core.data.tables.candidates import Candidate
from core.data.tables.columns import DEFAULT_LABEL_COLUMN, Columns, image_column
from core.data.tables.image_index import ImageIndex
from core.errors import DatasetInvalid
from core.spec import DatasetSpec

MOST_LISTED = 3


@dataclass(frozen=True)
class FlatSplit:
    """The classes that one table gives the images of one folder: image -> class of the class folders."""

    folder: str
    split: SplitName
    candidate: Candidate
    labels: Mapping[str, str]


def labelled(
    layout: Layout, candidates: Sequence[Candidate], images: Sequence[str], every: ImageIndex, spec: DatasetSpec
) -> list[FlatSplit]:
    """A FlatSplit for each folder of `layout.flat` that a table labels; `every` knows all `images`.

    Raises Unclear where a table names images of such a folder and its labels are no classes of the class folders, and
    for a validation split that no table names. A test split that no table names stays unlabelled.
    """
    classes = {spelled(label): label for _, label, _ in layout.placed}
    found: list[FlatSplit] = []
    for folder, split in layout.flat.items():
        inside = [path for path in images if path.startswith(f"{folder}/")]
        own = ImageIndex(inside, {})
        tables = [one for one in candidates if _may_label(one, folder, split, own, every)]
        labels = [_labels(one, folder, split, own, classes, spec) for one in tables]
        told = [one for one in labels if one is not None]
        if told:
            found.append(_one_of(told))
        elif split == "validation":
            raise without_classes(folder, split, len(inside))
    return found


def _may_label(one: Candidate, folder: str, split: SplitName, own: ImageIndex, every: ImageIndex) -> bool:
    """Whether a table names images of the folder, and is not one of another split or a sample of answers."""
    if one.is_sample or not one.table.rows or (one.split is not None and one.split != split):
        return False
    name = image_column(one.table, own, one.folder, few=0)
    if name is None:
        return False
    if one.split == split or f"{one.folder}/".startswith(f"{folder}/"):
        return True
    # A name that images of other folders have as well may mean those.
    return any(_is_inside(cell, one.folder, every, folder) for cell in one.table.column(name))


def _is_inside(cell: Any, folder: str, images: ImageIndex, flat: str) -> bool:
    try:
        found = images.find(cell, folder)
    except DatasetInvalid:
        return False
    return found is not None and found.startswith(f"{flat}/")


def _labels(
    one: Candidate, folder: str, split: SplitName, own: ImageIndex, classes: Mapping[str, str], spec: DatasetSpec
) -> FlatSplit | None:
    """The labels of a table; None where it has a column of images and no other. Raises Unclear."""
    image = image_column(one.table, own, one.folder, few=0)
    assert image is not None  # as _may_label found
    if len(one.table.columns) == 1:
        return None
    column = _label_column(one, image, classes, spec)
    if column is None:
        raise _unfit(one, folder, split, classes)
    cells = one.table.column(column)
    texts = _texts(cells, one, column)
    labels: dict[str, str] = {}
    for cell, text in zip(one.table.column(image), texts, strict=True):
        path = own.find(cell, one.folder)
        if path is None or text is None:
            continue
        label = _class(text, classes)
        if label is None or labels.setdefault(path, label) != label:
            raise _unfit(one, folder, split, classes, f"; it gives {path!r} the label {text!r}")
    columns = Columns(image, column, None, guessed=True)
    return FlatSplit(folder, split, replace(one, columns=columns), labels) if labels else None


def _label_column(one: Candidate, image: str, classes: Mapping[str, str], spec: DatasetSpec) -> str | None:
    """The column that the spec or its name tells, else the only one that holds nothing but names of classes."""
    if one.columns is not None and one.columns.label != image and _all_classes(one, one.columns.label, classes):
        return one.columns.label
    if spec.label_column != DEFAULT_LABEL_COLUMN:
        return spec.label_column if spec.label_column in one.table.columns else None
    fitting = [name for name in one.table.columns if name != image and _all_classes(one, name, classes)]
    return fitting[0] if len(fitting) == 1 else None


def _all_classes(one: Candidate, column: str, classes: Mapping[str, str]) -> bool:
    try:
        texts = [text for text in _texts(one.table.column(column), one, column) if text is not None]
    except DatasetInvalid:
        return False
    return bool(texts) and all(_class(text, classes) is not None for text in set(texts))


def _texts(cells: Sequence[Any], one: Candidate, column: str) -> list[str | None]:
    """The label that each cell tells; None for an empty cell."""
    where = f"{one.table.path!r}, column {column!r}"
    filled = column_texts([label_text(cell, where) for cell in cells if not is_missing(cell)], where)
    rest = iter(filled)
    return [None if is_missing(cell) else next(rest) for cell in cells]


def _class(text: str, classes: Mapping[str, str]) -> str | None:
    """The class folder that a label names: by its spelling, or for numbers by their value (`0` for `00000`)."""
    known = classes.get(spelled(text))
    if known is None and text.strip().isdecimal():
        same = [label for name, label in classes.items() if name.isdecimal() and int(name) == int(text)]
        known = same[0] if len(same) == 1 else None
    return known


def _one_of(told: Sequence[FlatSplit]) -> FlatSplit:
    """The one that labels the most images. Raises Unclear where another says otherwise of an image."""
    best = max(told, key=lambda one: len(one.labels))
    for other in told:
        path = next((path for path, label in other.labels.items() if best.labels.get(path, label) != label), None)
        if path is not None:
            paths = f"{best.candidate.table.path!r} and {other.candidate.table.path!r}"
            raise Unclear(
                f"the tables {paths} give different classes, {best.labels[path]!r} and {other.labels[path]!r}, to "
                f"{path!r}",
                hint="say which counts by leaving the other out in dataset.splits, as in "
                f'{{"{other.candidate.table.path}": "ignore"}}',
            )
    return best


def _unfit(one: Candidate, folder: str, split: SplitName, classes: Mapping[str, str], more: str = "") -> Unclear:
    some = ", ".join(map(repr, sorted(classes)[:MOST_LISTED]))
    return Unclear(
        f"the {split} split {folder!r} has no class folders, and the table {one.table.path!r} (columns "
        f"{', '.join(map(repr, one.table.columns))}) has no column that certainly holds the classes of the class "
        f"folders, such as {some}{more}",
        hint="name the column in dataset.label_column, or leave the images out in dataset.splits, as in "
        f'{{"{folder}": "ignore"}}',
    )
