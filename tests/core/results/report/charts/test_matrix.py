from typing import Any

from core.results.report.charts.matrix import MAX_COUNTED, MAX_NAMED, matrix, mistakes

CONFUSION = [[8, 2, 0], [0, 9, 1], [5, 0, 0]]


def test_cells_stand_at_their_row_and_column_and_empty_ones_are_left_out() -> None:
    drawn = matrix(CONFUSION, ("cat", "dog", "elk"))
    places = {(cell.y / drawn.side, cell.x / drawn.side): cell for cell in drawn.cells}
    assert {place: cell.count for place, cell in places.items()} == {
        (0, 0): 8,
        (0, 1): 2,
        (1, 1): 9,
        (1, 2): 1,
        (2, 0): 5,
    }
    assert places[0, 1].text == "cat → dog: 2 of 10" and not places[0, 1].right
    assert places[2, 0].strength == 1.0


def test_mistakes_are_the_largest_first_and_never_the_diagonal() -> None:
    told = [(mistake.truth, mistake.answer, mistake.count, mistake.share) for mistake in mistakes(CONFUSION, "cde")]
    assert told == [("e", "c", 5, 1.0), ("c", "d", 2, 0.2), ("d", "e", 1, 0.1)]


def test_many_classes_lose_their_counts_then_their_names() -> None:
    def drawn(num_classes: Any) -> Any:
        eye = [[int(row == column) for column in range(num_classes)] for row in range(num_classes)]
        return matrix(eye, [f"a class with a long name {index}" for index in range(num_classes)])

    assert drawn(MAX_COUNTED).counted and not drawn(MAX_COUNTED + 1).counted
    assert drawn(MAX_NAMED).names and not drawn(MAX_NAMED + 1).names
    assert drawn(3).names[0][1].endswith("…") and drawn(3).names[0][2] == "a class with a long name 0"
    assert drawn(100).extent <= 700
