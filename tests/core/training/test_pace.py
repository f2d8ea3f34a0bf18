"""A schedule that ends with the time, by a clock that the test turns."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.training.pace import Pace, TimedPace

DEADLINE = 100.0


def timed(clock: Any, *, steps: int = 100, step_seconds: float = 1.0, end: float = DEADLINE, **more: Any) -> TimedPace:
    began = clock.time
    pace = TimedPace(steps, left=lambda: began + end - clock.time, step_seconds=step_seconds, now=clock, **more)
    pace.begin()
    return pace


def positions(pace: Pace, clock: Any, seconds: Callable[[int], float]) -> Iterator[float]:
    """The position of each step, which takes `seconds` of its number."""
    number = 0
    while not pace.is_over:
        yield pace.position
        clock.time += seconds(number)
        pace.advance()
        number += 1


SPEEDS: dict[str, Callable[[int], float]] = {
    "as planned": lambda step: 1.0,
    "slower than planned": lambda step: 3.0,
    "quicker than planned": lambda step: 0.1,
    "slower from the middle on": lambda step: 1.0 if step < 50 else 4.0,
    "quicker from the middle on": lambda step: 1.0 if step < 50 else 0.25,
    "stands still once": lambda step: 30.0 if step == 20 else 1.0,
    "every tenth takes longer": lambda step: 3.0 if step % 10 == 9 else 0.5,
}


@pytest.mark.parametrize("speed", SPEEDS)
def test_it_ends_within_a_step_of_the_time(speed: str, clock: Any) -> None:
    pace, began, took = timed(clock), clock.time, SPEEDS[speed]
    *_, last = enumerate(positions(pace, clock, took))
    assert abs(clock.time - began - DEADLINE) <= max(took(last[0]), took(9))


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_schedule_is_passed_through_evenly_to_its_end(speed: str, clock: Any) -> None:
    seen = list(positions(timed(clock), clock, SPEEDS[speed]))
    strides = [after - before for before, after in zip(seen, [*seen[1:], 100.0], strict=True)]
    assert seen[0] == 0 and min(strides) > 0
    assert seen[-1] > 90, "the last step has a learning rate that has almost reached zero"


def test_steps_as_planned_are_the_steps_of_the_plan(clock: Any) -> None:
    assert list(positions(timed(clock), clock, lambda step: 1.0)) == pytest.approx([*range(100)], abs=1e-6)


def test_the_time_of_the_last_validation_is_kept(clock: Any) -> None:
    pace, began = timed(clock), clock.time
    pace.validated(20.0)
    *_, _ = positions(pace, clock, lambda step: 1.0)
    assert clock.time - began == pytest.approx(80, abs=1)


def test_the_time_of_views_to_come_is_kept_and_theirs_is_no_time_of_steps(clock: Any) -> None:
    pace, began, views, steps_to_go = timed(clock), clock.time, 3, []
    for step, _ in enumerate(positions(pace, clock, lambda step: 1.0)):
        steps_to_go.append(pace.steps_to_go)
        if step < views:
            clock.time += 10
            pace.filled(10.0, views - step - 1)
    assert steps_to_go[0] == 100 and steps_to_go[1] == pytest.approx(69, abs=2)
    assert len(steps_to_go) == pytest.approx(70, abs=2)
    assert clock.time - began == pytest.approx(DEADLINE, abs=1.5)


def test_never_more_steps_than_the_job_allows(clock: Any) -> None:
    pace = timed(clock, most_steps=40)
    assert len(list(positions(pace, clock, lambda step: 0.01))) == 40


def test_no_step_where_no_time_is_left(clock: Any) -> None:
    assert timed(clock, end=0.2).is_over
    assert timed(clock, end=-5.0).is_over


def test_a_resumed_training_passes_through_the_rest_of_the_schedule(clock: Any) -> None:
    before, began = timed(clock), clock.time
    for position in positions(before, clock, lambda step: 1.0):
        if position >= 60:
            break
    clock.time += 25  # the crash, and what was lost
    after = TimedPace(100, left=lambda: began + DEADLINE - clock.time, step_seconds=1.0, now=clock)
    after.load_state_dict(before.state_dict())
    after.begin()
    seen = list(positions(after, clock, lambda step: 1.0))
    assert seen[0] == before.position and len(seen) == pytest.approx(DEADLINE - 60 - 25, abs=2)
    assert clock.time - began == pytest.approx(DEADLINE, abs=1)


def test_without_a_deadline_a_position_is_a_step(clock: Any) -> None:
    pace = Pace(4)
    pace.begin()
    assert list(positions(pace, clock, lambda step: 9.0)) == [0, 1, 2, 3]
    assert pace.share == 1 and pace.steps_to_go == 0
