"""The rounds of a race: every child runs one block in every round, so that all are measured in the same minutes."""

import time
from collections.abc import Mapping

from benchmarks.harness.children import Block, Child, ChildFailed, time_left

FEWEST_ROUNDS = 2


def race(
    children: Mapping[str, Child],
    *,
    rounds: int,
    seconds: float,
    until: float | None = None,
    end: float | None = None,
) -> tuple[dict[str, list[Block]], dict[str, str]]:
    """(blocks by name, one a round; reasons by the name of those that dropped out, whose blocks are dropped too).

    Each round begins with another child. No round begins that would end after `until` (time.monotonic() seconds), as
    the one before lasted, once there are two; none but the first that would end after `end`. A child whose turn comes
    later than that drops out.
    """
    blocks: dict[str, list[Block]] = {name: [] for name in children}
    dropped: dict[str, str] = {}
    lasted = 0.0
    for number in range(rounds):
        began = time.monotonic()
        limit = until if number >= FEWEST_ROUNDS else end
        if number and limit is not None and began + lasted > limit:
            break
        running = [name for name in children if name not in dropped]
        first = number % max(len(running), 1)
        for name in running[first:] + running[:first]:
            try:
                time_left(end, seconds)
                blocks[name].append(children[name].run_block(seconds))
            except ChildFailed as failure:
                dropped[name] = str(failure)
                del blocks[name]
        lasted = time.monotonic() - began
    return blocks, dropped
