"""Tables that fit the width of the terminal; into a file or a program they are written in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from retort import output

# Between two columns.
GAP = 2
# No column becomes narrower than this to make room.
LEAST_WIDTH = 6


@dataclass(frozen=True)
class Column:
    """A column. Where the terminal is too narrow, `cut` ends long cells with an ellipsis and `fold` uses more lines;
    `whole` is never shortened (ids, numbers).
    """

    name: str
    narrow: Literal["whole", "cut", "fold"] = "whole"
    right: bool = False


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table with a header; None is a dash."""
    cells = [[output.clean(value) for value in row] for row in rows]
    widths = fitted(columns, cells, output.people.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            width=width,
            no_wrap=column.narrow != "fold",
            overflow="ellipsis" if column.narrow == "cut" else "fold",
        )
    for row in cells:
        table.add_row(*map(Text, row))
    # A table of whole columns may be wider than the terminal, which then breaks its lines.
    wide = Console(width=sum(widths) + GAP * len(widths), color_system="auto" if output.people.is_terminal else None)
    with wide.capture() as captured:
        wide.print(table)
    output.lines(text.rstrip() for text in captured.get().splitlines())


def fitted(columns: Sequence[Column], cells: Sequence[Sequence[str]], available: int) -> list[int]:
    """The width of each column in terminal cells: as its widest cell, or less so that the table has `available`."""
    widths = [
        max(cell_len(text) for text in (column.name, *(row[index] for row in cells)))
        for index, column in enumerate(columns)
    ]
    room = available - GAP * (len(columns) - 1)
    while sum(widths) > room:
        shrinkable = [
            index
            for index, column in enumerate(columns)
            if column.narrow != "whole" and widths[index] > max(LEAST_WIDTH, cell_len(column.name))
        ]
        if not shrinkable:
            break
        widths[max(shrinkable, key=lambda index: widths[index])] -= 1
    return widths
