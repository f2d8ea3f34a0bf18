"""The paired comparison against a likelihood maximized numerically, and against counts of simulated networks."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm

from core.statistics.paired import PairedCounts, smallest_difference

CASES = [(24, 4, 1), (50, 0, 0), (50, 5, 0), (100, 12, 30), (397, 3, 3), (898, 60, 21), (5, 5, 0), (5, 0, 5)]


def score(total: int, first: int, second: int, difference: float) -> float:
    """The score at `difference`: its variance from the likeliest share of `second`, which an optimizer finds."""
    low, high = max(0.0, -difference), (1 - difference) / 2

    def loss(share: float) -> float:
        cells = ((first, share + difference), (second, share), (total - first - second, 1 - 2 * share - difference))
        return -sum(count * math.log(max(likely, 1e-300)) for count, likely in cells if count)

    share = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return float((first - second - total * difference) / math.sqrt(total * (2 * share + difference - difference**2)))


@pytest.mark.parametrize(("total", "first", "second"), CASES)
def test_the_interval_is_where_the_score_reaches_both_quantiles(total: int, first: int, second: int) -> None:
    counts = PairedCounts(total, first, second)
    z = float(norm.ppf(0.975))
    low, high = counts.interval
    assert low <= counts.difference <= high
    for bound, sign, end in ((low, 1, -1 + 1e-9), (high, -1, 1 - 1e-9)):
        if abs(bound) > 0.999:  # the estimate itself lies at the end of what is possible
            assert abs(counts.difference) == 1.0
            continue
        inner = counts.difference - sign * 1e-7
        expected = brentq(lambda at, s=sign: score(total, first, second, at) - s * z, end, inner)
        assert bound == pytest.approx(expected, abs=2e-5)


def test_the_interval_lacks_zero_exactly_where_the_test_is_significant() -> None:
    for first in range(0, 40):
        for second in range(0, 40 - first):
            counts = PairedCounts(60, first, second)
            low, high = counts.interval
            assert counts.is_significant == (low > 0 or high < 0), counts


def test_the_sides_are_alike() -> None:
    low, high = PairedCounts(100, 30, 12).interval
    assert PairedCounts(100, 12, 30).interval == pytest.approx((-high, -low))


def test_networks_without_a_disagreement_may_still_differ_a_little() -> None:
    low, high = PairedCounts(50, 0, 0).interval
    assert low == pytest.approx(-high) and 0.05 < high < 0.1


def test_equal_networks_are_told_apart_once_in_twenty_times() -> None:
    """Simulated networks of one accuracy: the share of false alarms stays near what 95% promises."""
    draw = np.random.default_rng(0)
    firsts, seconds, _ = draw.multinomial(300, [0.08, 0.08, 0.84], size=20_000).T
    alarms = np.mean([PairedCounts(300, int(f), int(s)).is_significant for f, s in zip(firsts, seconds, strict=True)])
    assert 0.04 < alarms < 0.055


@pytest.mark.parametrize("count", [24, 100, 397, 1000, 10_000])
@pytest.mark.parametrize("top1", [0.5, 0.7, 0.9])
def test_a_difference_that_large_is_told_apart_whatever_errors_are_shared(count: int, top1: float) -> None:
    """Two networks around `top1` with independent errors, and with more and more errors in common."""
    difference = smallest_difference(count, top1)
    gap = math.floor(difference * count) + 1
    for disagreements in range(gap, math.floor(2 * top1 * (1 - top1) * count) + 1):
        second_only = (disagreements - gap) // 2
        assert PairedCounts(count, second_only + gap, second_only).is_significant


def test_known_values() -> None:
    assert smallest_difference(0) == 1.0
    assert smallest_difference(1) == 1.0
    assert smallest_difference(192) == pytest.approx(0.1, abs=1e-3)
    assert smallest_difference(400, 0.9) == pytest.approx(0.0416, abs=1e-4)
