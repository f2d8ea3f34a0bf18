"""A table without classes that has a column of images and a column of splits."""

from collections.abc import Mapping

from core.data.layout.siblings import Unclear
from core.data.listing import SplitName
from core.data.members.split_list import SplitList, looked_up
from core.data.split_names import split_word
from core.data.tables.candidates import Candidate
from core.data.tables.columns import image_column, split_column
from core.data.tables.image_index import ImageIndex
from core.data.tables.rows import split_cell
from core.errors import DatasetInvalid


def split_lists(candidate: Candidate, images: ImageIndex) -> list[SplitList]:
    """A list for each split that a column of the table names; none where it has no such column or names no image.

    Raises Unclear for a column called `split` whose values tell none.
    """
    table = candidate.table
    image = candidate.columns.image if candidate.columns else image_column(table, images, candidate.folder)
    if image is None:
        return []
    split = split_column(table, [name for name in table.columns if name != image])
    if split is None:
        return []
    members: dict[SplitName, list[object]] = {}
    for (number, _), entry, cell in zip(table.rows, table.column(image), table.column(split), strict=True):
        try:
            told = split_cell(cell, f"{table.path!r}, line {number}, column {split!r}")
        except DatasetInvalid as error:
            raise Unclear(error.message, hint=_way_out(table.path)) from None
        if told is not None:
            members.setdefault(told, []).append(entry)
    words: Mapping[SplitName, str] = {
        told: word.word for cell in table.column(split) if (word := split_word(str(cell))) for told in (word.split,)
    }
    lists = [
        looked_up(entries, table.path, told, words.get(told, told), images=images, folder=candidate.folder)
        for told, entries in members.items()
    ]
    return [one for one in lists if one.images]


def _way_out(path: str) -> str:
    return f'to leave the table out, say so in dataset.splits, as in {{"{path}": "ignore"}}'
