import re
from pathlib import Path
from typing import Any

import pytest

from core.results.report.charts.lines import BOTTOM, LEFT, MAX_POINTS, RIGHT, TOP, line_chart


def points_of(path: Path) -> list[Any]:
    return [(kind, float(x), float(y)) for kind, x, y in re.findall(r"([ML])([\d.]+) ([\d.]+)", path)]


def test_a_line_runs_through_its_points() -> None:
    chart = line_chart("loss", [("loss", "student", [[0, 0.0], [10, 5.0], [20, 10.0]])])
    corners = points_of(chart.lines[0].path)
    assert corners == [("M", LEFT, BOTTOM), ("L", (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2), ("L", RIGHT, TOP)]
    assert [text for _, text in chart.y_ticks] == ["0", "2", "4", "6", "8", "10"]


def test_a_value_that_was_not_finite_breaks_the_line() -> None:
    chart = line_chart("loss", [("loss", "student", [[0, 1.0], [1, None], [2, 1.0], [3, 2.0]])])
    assert [kind for kind, _, _ in points_of(chart.lines[0].path)] == ["M", "M", "L"]


@pytest.mark.parametrize("points", [[], [[0, None], [1, None]]])
def test_nothing_to_draw_draws_nothing(points: list[Any]) -> None:
    assert line_chart("loss", [("loss", "student", points)]) is None


def test_a_long_series_is_thinned_and_keeps_its_spike() -> None:
    series = [[step, 1.0] for step in range(100_000)]
    series[54_321][1] = 9.0
    corners = points_of(line_chart("loss", [("loss", "student", series)]).lines[0].path)
    assert len(corners) <= MAX_POINTS
    assert min(y for _, _, y in corners) < (TOP + BOTTOM) / 2


def test_a_level_above_the_line_stays_inside_the_chart() -> None:
    chart = line_chart("top1", [("student", "student", [[0, 20.0], [9, 60.0]])], levels=[("teacher", "teacher", 96.5)])
    assert TOP <= chart.levels[0].y < points_of(chart.lines[0].path)[1][2]
