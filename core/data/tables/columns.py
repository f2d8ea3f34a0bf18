"""Which column of a table names the images, and which the classes: by the spec, by their names, or by their content."""

from dataclasses import dataclass
from typing import Any

from core.data.labels import is_missing
from core.data.split_names import split_of_value
from core.data.tables.image_index import ImageIndex
from core.data.tables.table import Table
from core.errors import DatasetInvalid, unknown
from core.spec import SPLIT_TARGETS, DatasetSpec

# Column names of a path that are understood where spec.image_column is not there; the first that names images counts.
PATH_COLUMNS = ("path", "file_name", "filename", "file", "image")
LABEL_COLUMNS = (
    "label", "labels", "class", "class_name", "classname", "class_label", "category", "category_name", "target",
    "species", "breed", "y", "tag", "diagnosis", "dx", "label_name", "name_of_class",
)  # fmt: skip
# Columns of class numbers: they count where no column has one of the names above.
NUMBER_COLUMNS = (
    "class_id",
    "classid",
    "label_id",
    "labelid",
    "category_id",
    "target_id",
    "class_index",
    "label_index",
)
SPLIT_COLUMNS = ("split", "subset", "partition")  # these must hold splits; any other column may
_LOOKED_AT = 200  # rows that tell which column names images, spread over the table: many are sorted by class
FEW = 0.5  # of these, from which a column is one of images

DEFAULT_IMAGE_COLUMN = str(DatasetSpec.model_fields["image_column"].default)
DEFAULT_LABEL_COLUMN = str(DatasetSpec.model_fields["label_column"].default)
KNOWN = frozenset(
    {*PATH_COLUMNS, *LABEL_COLUMNS, *NUMBER_COLUMNS, *SPLIT_COLUMNS, "id", "image_id", "image_path", "img", "filepath"}
)


@dataclass(frozen=True)
class Columns:
    """The columns that matter. `guessed` says that the spec's names did not decide all of them."""

    image: str
    label: str
    split: str | None
    guessed: bool


def split_column(table: Table, others: list[str]) -> str | None:
    """The column of that name, else the one column that holds nothing but words of at least two splits."""
    named = [name for name in others if name.casefold() in SPLIT_COLUMNS]
    return named[0] if named else next((name for name in others if _tells_splits(table.column(name))), None)


def _tells_splits(cells: list[Any]) -> bool:
    told = {cell if is_missing(cell) else split_of_value(str(cell)) or False for cell in set(map(str, cells))}
    return False not in told and len({split for split in told if split in SPLIT_TARGETS}) > 1


def known_columns(spec: DatasetSpec) -> frozenset[str]:
    """Names that tell a header from a row of data."""
    return KNOWN | {spec.image_column, spec.label_column}


def choose(table: Table, spec: DatasetSpec, images: ImageIndex, folder: str) -> Columns:
    """The columns of `table`, which lies in `folder`. Raises DatasetInvalid, which names the table and its columns."""
    image = _named_image_column(table, spec) or image_column(table, images, folder)
    if image is None:
        raise _missing(table, spec.image_column, "image_column", "none of them names images of the dataset")
    label = _label_column(table, spec, image)
    split = split_column(table, [name for name in table.columns if name not in (image, label)])
    by_default = image in (spec.image_column, *PATH_COLUMNS) and label == spec.label_column
    return Columns(image, label, split, guessed=not by_default)


def explicit(table: Table, spec: DatasetSpec) -> bool:
    """Whether the table has the label column of the spec and a path column by its name."""
    return spec.label_column in table.columns and _named_image_column(table, spec) is not None


def share_found(table: Table, column: str, images: ImageIndex, folder: str) -> float:
    """The share of rows whose cell in `column` names an image, by at most 200 rows spread over the table."""
    cells = table.column(column)
    cells = cells[:: max(1, len(cells) // _LOOKED_AT)]
    return sum(images.names(cell, folder) for cell in cells) / max(1, len(cells))


def _named_image_column(table: Table, spec: DatasetSpec) -> str | None:
    """The column of the spec, else the first name that is understood; a name that the user chose must be there."""
    if spec.image_column != DEFAULT_IMAGE_COLUMN and spec.image_column not in table.columns:
        raise _missing(table, spec.image_column, "image_column")
    return next((name for name in (spec.image_column, *PATH_COLUMNS) if name in table.columns), None)


def image_column(table: Table, images: ImageIndex, folder: str, few: float = FEW) -> str | None:
    """The column most of whose cells name images: at least the share `few` of them, and at least one.

    Of two such columns that with more different cells: where images are numbered, class numbers name images as well.
    """
    shares = {name: share_found(table, name, images, folder) for name in table.columns}
    best = max(table.columns, key=lambda name: (shares[name], len(set(map(str, table.column(name))))), default=None)
    return best if best is not None and shares[best] >= few and shares[best] else None


def _label_column(table: Table, spec: DatasetSpec, image: str) -> str:
    if spec.label_column in table.columns:
        return spec.label_column
    if spec.label_column != DEFAULT_LABEL_COLUMN:
        raise _missing(table, spec.label_column, "label_column")
    others = [name for name in table.columns if name != image and name not in SPLIT_COLUMNS]
    if len(others) > 1:  # the one other column is the label, whatever its values are
        others = [name for name in others if not _tells_splits(table.column(name))]
    named = [name for name in others if name.casefold() in LABEL_COLUMNS]
    named = named or [name for name in others if name.casefold() in NUMBER_COLUMNS]
    if len(named) == 1:
        return named[0]
    if not named and len(others) == 1:
        return others[0]
    why = f"both {named[0]!r} and {named[1]!r} could hold the classes" if named else "none of them is known to"
    raise _missing(table, spec.label_column, "label_column", why)


def _missing(table: Table, column: str, field: str, why: str = "") -> DatasetInvalid:
    told = f"; {why}" if why else ""
    columns = ", ".join(map(repr, table.columns))
    return DatasetInvalid(
        f"the table {table.path!r}: {unknown('column', column, table.columns)} It has the columns {columns}{told}",
        hint=f"name the column in dataset.{field}",
        pointer=f"/dataset/{field}",
    )
