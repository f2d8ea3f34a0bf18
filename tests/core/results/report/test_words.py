from typing import Any

import pytest

from core.results.report import words


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (words.percent, 0.8342, "83.4%"),
        (words.percent, None, "–"),
        (words.interval, [0.8, 0.8651], "80.0–86.5%"),
        (words.points, -0.0214, "−2.1"),
        (words.points, 0.1, "+10.0"),
        (words.points, -0.0001, "±0.0"),
        (words.number, 10_000, "10,000"),
        (words.count, 861_620, "862 k"),
        (words.count, 999_900, "1 M"),
        (words.count, 1_240_000_000, "1.24 G"),
        (words.count, 12, "12"),
        (words.size, 4_933_840, "4.93 MB"),
        (words.size, 512, "512 B"),
        (words.milliseconds, 1.2345, "1.23 ms"),
        (words.milliseconds, 0.0682, "68.2 µs"),
        (words.seconds, 12.34, "12.3 s"),
        (words.seconds, 119.7, "2 min 00 s"),
        (words.seconds, 4000, "1 h 06 min"),
        (words.seconds, None, "–"),
    ],
)
def test_numbers_read_as_people_write_them(write: Any, value: float | list[float] | None, text: str) -> None:
    assert write(value) == text


def test_a_ratio_needs_both_sides() -> None:
    assert words.ratio(861_620, 77_754) == "11.1×"
    assert words.ratio(1e9, 1e6) == "1000×"
    assert words.ratio(None, 5) == words.ratio(5, None) == words.ratio(5, 0) == "–"


def test_a_quotient_says_its_direction() -> None:
    assert words.times(861_620, 77_754, "fewer", "more") == "11.1× fewer"
    assert words.times(100, 150, "fewer", "more") == "1.5× more"
    assert words.times(None, 150, "fewer", "more") == ""


def test_a_speed_has_its_spread() -> None:
    assert words.speed({"ratio": 23.31, "low": 21.9, "high": 24.84}) == "23.3× faster (21.9–24.8×)"
    assert words.speed({"ratio": 0.5, "low": 0.4, "high": 0.8}) == "2× slower (1.25–2.5×)"
    assert words.speed(None) == ""
