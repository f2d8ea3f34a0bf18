"""Steps of several kinds, taken in turn in one process, so that what slows the machine slows all of them."""

import time
from collections.abc import Callable, Sequence

WARM_UP = 3


def seconds_of(steps: Sequence[Callable[[], None]], rounds: int) -> list[list[float]]:
    """For each kind of step the seconds of `rounds` of them, after a few that are not counted."""
    for step in steps:
        for _ in range(WARM_UP):
            step()
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, found in zip(steps, seconds, strict=True):
            began = time.perf_counter()
            step()
            found.append(time.perf_counter() - began)
    return seconds
