"""When to save and when to stop, by a clock that the test turns."""

from typing import Any

import pytest

from core.errors import DeadlineExceeded
from core.system.interruption import JobControl


def test_a_checkpoint_is_due_by_the_clock_and_sooner_where_an_epoch_ends(clock: Any) -> None:
    watch = JobControl(60, now=clock)
    clock.time += 5.9
    assert not watch.checkpoint_is_due(epoch_ends=True)
    clock.time += 0.1
    assert watch.checkpoint_is_due(epoch_ends=True) and not watch.checkpoint_is_due(epoch_ends=False)
    clock.time += 54
    assert watch.checkpoint_is_due(epoch_ends=False)
    watch.saved()
    assert not watch.checkpoint_is_due(epoch_ends=True)


def test_the_deadline_counts_from_the_start(clock: Any) -> None:
    watch = JobControl(60, 10, now=clock)
    clock.time += 10
    watch.check_deadline()
    watch.saved()
    clock.time += 1
    with pytest.raises(
        DeadlineExceeded, match=r"ran 11 s, longer than its training.max_runtime_seconds of 10"
    ) as caught:
        watch.check_deadline()
    assert caught.value.pointer == "/training/max_runtime_seconds"


def test_earlier_attempts_count(clock: Any) -> None:
    watch = JobControl(60, 10, 8.5, now=clock)
    watch.check_deadline()
    clock.time += 2
    with pytest.raises(DeadlineExceeded):
        watch.check_deadline()


def test_what_the_caller_knows_of_earlier_attempts_counts_instead_of_the_checkpoint(clock: Any) -> None:
    told, untold = JobControl(60, 10, now=clock), JobControl(60, 10, now=clock)
    told.begin_with(2.0)
    untold.begin_with(None)
    for watch in (told, untold):
        watch.resume(9.5)
        clock.time += 1
    assert (told.spent(), untold.spent()) == (4.0, 11.5)


def test_without_a_limit_it_never_ends(clock: Any) -> None:
    watch = JobControl(60, None, 1e9, now=clock)
    clock.time += 1e9
    watch.check_deadline()
