"""Tables with a column for each class."""

from core.data.tables.image_index import ImageIndex
from core.data.tables.one_hot import folded
from core.data.tables.table import Table

IMAGES = ImageIndex([f"{number}.png" for number in range(4)], {})


def table(columns: tuple[str, ...], *rows: tuple[object, ...]) -> Table:
    return Table("t.csv", "csv", "utf-8", ",", True, columns, [(n, list(row)) for n, row in enumerate(rows, 2)])


def test_the_marked_column_is_the_class() -> None:
    given = table(
        ("file", "split", "cat", "dog"),
        ("0.png", "train", "1", "0"),
        ("1.png", "test", "0.0", "1.0"),
        ("2.png", "train", "False", "True"),
    )
    told = folded(given, IMAGES, "")
    assert told is not None
    assert told.columns == ("file", "split", "label")
    assert [cells for _, cells in told.rows] == [
        ["0.png", "train", "cat"], ["1.png", "test", "dog"], ["2.png", "train", "dog"],
    ]  # fmt: skip


def test_other_tables_are_left_as_they_are() -> None:
    for columns, row in (
        (("file", "cat", "dog"), ("0.png", "1", "1")),
        (("file", "cat", "dog"), ("0.png", "0", "0")),
        (("file", "cat", "dog"), ("0.png", "1", "")),
        (("file", "cat", "dog"), ("0.png", "0.7", "0.3")),
        (("file", "cat"), ("0.png", "1")),
        (("file", "note", "cat", "dog"), ("0.png", "blurred", "1", "0")),
        (("name", "cat", "dog"), ("no image", "1", "0")),
    ):
        assert folded(table(columns, row), IMAGES, "") is None, (columns, row)
