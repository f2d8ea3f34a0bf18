"""Two networks on the same images: McNemar's test, its interval, and what it can prove before anything is trained.

Images on which both networks are right, or both wrong, do not tell which network is better. They cancel in a paired
comparison, while they widen the interval of each network's own accuracy. So two networks whose own intervals overlap
can differ for certain. Sources: McNemar, Psychometrika 1947; Dietterich, Neural Computation 1998 (for classifiers);
Tango, Statistics in Medicine 1998 (the interval); Fagerland, Lydersen and Laake, BMC Medical Research Methodology 2013
(the test without continuity correction holds its level).
"""

import math
from dataclasses import dataclass

from core.statistics.proportions import Z_95

BISECTIONS = 60  # halvings of an interval of length 2 at most: as fine as float64


@dataclass(frozen=True)
class PairedCounts:
    """On how many of the same `num_images` (above 0) only one of two networks is right."""

    num_images: int
    first_only: int
    second_only: int

    @property
    def difference(self) -> float:
        """Accuracy of the first network minus that of the second, as a fraction."""
        return (self.first_only - self.second_only) / self.num_images

    @property
    def interval(self) -> tuple[float, float]:
        """Tango's 95% score interval of `difference`: it lacks 0 exactly where McNemar's test is significant."""
        return self._where_score_is(Z_95, -1.0, self.difference), self._where_score_is(-Z_95, self.difference, 1.0)

    @property
    def is_significant(self) -> bool:
        """Whether McNemar's test, without continuity correction, tells the two networks apart at 95%."""
        disagreements = self.first_only + self.second_only
        return abs(self.first_only - self.second_only) > Z_95 * math.sqrt(disagreements)

    def _where_score_is(self, target: float, low: float, high: float) -> float:
        """The difference between `low` and `high` at which the score, which falls as the difference grows, is
        `target`.
        """
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._score(middle) > target else (low, middle)
        return (low + high) / 2

    def _score(self, difference: float) -> float:
        """How many standard deviations the counts lie above the true `difference` (Tango 1998, equations 6 and 7)."""
        first, second, total = self.first_only, self.second_only, self.num_images
        slope = (2 * total - first + second) * difference - first - second
        root = math.sqrt(slope**2 + 8 * total * second * difference * (1 - difference))
        likeliest = (root - slope) / (4 * total)  # share of second_only if `difference` is true
        variance = total * (2 * likeliest + difference * (1 - difference))
        distance = first - second - total * difference
        if variance > 0:
            return distance / math.sqrt(variance)
        return math.copysign(math.inf, distance) if distance else 0.0


def smallest_difference(num_images: int, top1: float = 0.5) -> float:
    """The difference of two accuracies near `top1`, as a fraction, above which `PairedCounts` tells them apart.

    McNemar's test wants a difference of more than z sqrt(d / n), where d is the share of the images on which the two
    networks disagree. If their errors are independent, d is 2 p (1 - p). The networks of one job resemble each other
    more than that, disagree less, and are told apart at smaller differences. It is largest at the default of p = 0.5,
    where it holds whatever the accuracies are; it is never above 1, and 1 without images.
    """
    return min(1.0, Z_95 * math.sqrt(2 * top1 * (1 - top1) / num_images)) if num_images else 1.0
