"""The clock of a deadline."""

from typing import Any

from core.system.interruption import JobControl


def test_it_counts_from_when_the_engine_got_the_job_and_over_all_attempts(clock: Any) -> None:
    watch = JobControl(60, now=clock, deadline_seconds=100, started=clock.time - 4)
    watch.begin_with(30)
    clock.time += 6
    assert watch.deadline is not None and watch.deadline.left() == 60
    watch.deadline.reserve_seconds = 15
    assert watch.deadline.left_to_train() == 45


def test_work_apart_does_not_count(clock: Any) -> None:
    watch = JobControl(60, now=clock, deadline_seconds=100)
    assert watch.deadline is not None
    with watch.deadline.apart():
        clock.time += 50
        assert watch.deadline.used() == 0 and watch.deadline.apart_seconds == 50
    clock.time += 7
    assert watch.deadline.used() == 7 and watch.spent() == 57


def test_most_jobs_have_none() -> None:
    assert JobControl(60).deadline is None
