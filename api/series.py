"""Thinning a series for a chart without losing what the eye looks for."""

from collections.abc import Sequence

from store.values import Point


def thin(points: Sequence[Point], max_points: int) -> list[Point]:
    """At most `max_points` of the points: the first, the last, and of each stretch between the lowest and the highest.

    A value that was not finite counts as the highest of its stretch: a chart must show where a loss went astray.
    """
    if len(points) <= max_points:
        return list(points)
    inner = points[1:-1]
    num_stretches = (max_points - 2) // 2
    kept = [points[0]]
    for number in range(num_stretches):
        stretch = inner[number * len(inner) // num_stretches : (number + 1) * len(inner) // num_stretches]
        extremes = {min(stretch, key=_height).step: None, max(stretch, key=_height).step: None}
        kept += [point for point in stretch if point.step in extremes]
    return [*kept, points[-1]]


def _height(point: Point) -> float:
    return float("inf") if point.value is None else point.value
