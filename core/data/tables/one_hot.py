"""Tables with a column for each class and a single 1 in each row, as ISIC and Roboflow write them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.data.split_names import split_of_value
from core.data.tables.columns import DEFAULT_LABEL_COLUMN, SPLIT_COLUMNS, image_column
from core.data.tables.image_index import ImageIndex
from core.data.tables.table import Table

_MARKS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


def folded(table: Table, images: ImageIndex, folder: str) -> Table | None:
    """The table with one column of class names in place of its columns of zeros and ones.

    None where other columns than those of images and splits hold anything else, or a row marks no class or several.
    """
    image = image_column(table, images, folder)
    if image is None or DEFAULT_LABEL_COLUMN in table.columns:
        return None
    kept = [name for name in table.columns if name == image or _is_split(table, name)]
    classes = [name for name in table.columns if name not in kept]
    places = [table.columns.index(name) for name in classes]
    rows: list[tuple[int, list[Any]]] = []
    for number, cells in table.rows:
        marked = _marked([cells[place] for place in places])
        if marked is None or len(classes) < 2:
            return None
        rows.append((number, [*(cells[table.columns.index(name)] for name in kept), classes[marked]]))
    return replace(table, columns=(*kept, DEFAULT_LABEL_COLUMN), rows=rows)


def _is_split(table: Table, name: str) -> bool:
    cells = table.column(name)
    return name.casefold() in SPLIT_COLUMNS or all(isinstance(cell, str) and split_of_value(cell) for cell in cells)


def _marked(cells: Sequence[Any]) -> int | None:
    """The place of the single mark; None where there is none, several, or another value."""
    marks = [_MARKS.get(str(cell).strip().casefold()) for cell in cells]
    return marks.index(True) if None not in marks and marks.count(True) == 1 else None
