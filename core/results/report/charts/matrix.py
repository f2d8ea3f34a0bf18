"""The confusion matrix as cells, and its largest mistakes as words."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_NAMED = 40  # classes; beyond, names would be smaller than print
MAX_COUNTED = 20  # classes; beyond, counts would not fit their cells
SIDES = ((6, 44.0), (12, 32.0), (MAX_COUNTED, 26.0), (MAX_NAMED, 15.0), (float("inf"), 6.0))  # up to so many classes
NAME_LENGTH = 18
MAX_UPRIGHT = 3  # letters that fit above a column
LETTER_WIDTH = 7.2  # of the widest usual 11 px letters, on average


@dataclass(frozen=True)
class Cell:
    """One non-zero cell at (x, y). `strength` is its share of the true class's images; `right` is the diagonal."""

    x: float
    y: float
    count: int
    strength: float
    right: bool
    text: str


@dataclass(frozen=True)
class Matrix:
    """Cells of `side` in a square of `extent`, with `margin` for the names (empty where there are too many).

    `names` are (place, short, full); `upright`: so short that columns need not turn them.
    """

    side: float
    margin: float
    extent: float
    cells: tuple[Cell, ...]
    names: tuple[tuple[float, str, str], ...]
    counted: bool
    upright: bool


@dataclass(frozen=True)
class Mistake:
    """`count` images of `truth` that were called `answer`; `share` of all images of `truth`."""

    truth: str
    answer: str
    count: int
    share: float


def matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Matrix:
    """The cells of a K x K confusion matrix, row = true class."""
    side = next(side for most, side in SIDES if len(classes) <= most)
    named = len(classes) <= MAX_NAMED
    upright = all(len(name) <= MAX_UPRIGHT for name in classes)
    short = [(_shorten(name), name) for name in classes] if named else []
    margin = 14 + LETTER_WIDTH * max(len(text) for text, _ in short) if named else 16.0
    cells = [
        Cell(
            column * side,
            row * side,
            count,
            count / sum(counts),
            row == column,
            f"{classes[row]} → {classes[column]}: {count} of {sum(counts)}",
        )
        for row, counts in enumerate(confusion)
        for column, count in enumerate(counts)
        if count
    ]
    names = tuple(((place + 0.5) * side, text, full) for place, (text, full) in enumerate(short))
    return Matrix(side, margin, side * len(classes), tuple(cells), names, len(classes) <= MAX_COUNTED, upright)


def mistakes(confusion: Sequence[Sequence[int]], classes: Sequence[str], most: int = 8) -> list[Mistake]:
    """The confusions that cost most images, largest first."""
    found = [
        Mistake(classes[row], classes[column], count, count / sum(counts))
        for row, counts in enumerate(confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    return sorted(found, key=lambda mistake: -mistake.count)[:most]


def _shorten(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"
