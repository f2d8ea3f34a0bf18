"""Numbers as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from retort import units


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (999.4, "999"),
        (999.5, "1.0k"),
        (1000, "1.0k"),
        (77_652, "77.7k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (272_474, "272k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (11_700_000, "11.7M"),
        (4_100_000_000, "4.1G"),
        (2.5e15, "2500T"),
    ],
)
def test_counts_have_three_digits_and_a_unit(number: float | None, text: str) -> None:
    assert units.count(number) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(None, "-"), (24, "24 B"), (1000, "1.0 kB"), (4_100_000, "4.1 MB"), (102_000_000, "102 MB")],
)
def test_sizes_are_decimal_bytes(num_bytes: int | None, text: str) -> None:
    assert units.size(num_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0.0 s"),
        (3.2, "3.2 s"),
        (9.94, "9.9 s"),
        (9.97, "10 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_time_spans_are_read_at_a_glance(seconds: float | None, text: str) -> None:
    assert units.duration(seconds) == text


def test_fractions_and_intervals_are_percentages() -> None:
    assert (units.percent(None), units.percent(1), units.percent(0.9246)) == ("-", "100.0%", "92.5%")
    assert units.interval([0.8214, 0.9703]) == "82.1-97.0%"
    assert units.interval(None) == "-"


@pytest.mark.parametrize(("seconds", "text"), [(5, "5s"), (-3, "0s"), (150, "2m"), (7300, "2h"), (200_000, "2d")])
def test_an_age_is_told_in_its_largest_unit(seconds: int, text: str) -> None:
    assert units.age((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()) == text
