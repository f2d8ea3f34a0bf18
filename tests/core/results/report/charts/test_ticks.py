import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.results.report.charts.ticks import axis, tick_text


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_an_axis_holds_its_values_between_few_even_ticks(low: Any, span: Any) -> None:
    result = axis(low, low + span, 5)
    slack = 1e-6 * (abs(low) + span)
    assert result.low <= low + slack and result.high >= low + span - slack
    assert 2 <= len(result.ticks) <= 8
    gaps = [later - earlier for earlier, later in zip(result.ticks, result.ticks[1:], strict=False)]
    assert all(math.isclose(gap, gaps[0], rel_tol=1e-3, abs_tol=1e-9) for gap in gaps)


def test_an_axis_of_one_value_has_room_around_it() -> None:
    result = axis(0.05, 0.05)
    assert result.low < 0.05 < result.high
    assert axis(0, 0).high > 0


def test_an_axis_may_keep_its_ends() -> None:
    result = axis(0, 1180, round_ends=False)
    assert (result.low, result.high) == (0, 1180)
    assert result.ticks == (0, 200, 400, 600, 800, 1000)


def test_ticks_are_short() -> None:
    assert [tick_text(value) for value in (0, 0.05, 250, 12_000, 0.00005)] == ["0", "0.05", "250", "12k", "5e-5"]
