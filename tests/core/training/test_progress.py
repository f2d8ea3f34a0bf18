"""How far a job is, by a clock that the test turns."""

from typing import Any

import pytest

from core.training.progress import INTERVAL_SECONDS, Meter

COSTS = {"student": (1.0, 100), "baseline/finetune": (9.0, 100)}


def ask(meter: Any, run: Any, step: Any, steps: int = 100) -> Any:
    return meter.progress(
        run, step, epoch=1, steps_per_epoch=25, steps=steps, share=step / steps, images_per_second=8.0
    )


def test_a_run_counts_by_its_arithmetic(clock: Any) -> None:
    meter = Meter(COSTS, now=clock)
    assert ask(meter, "student", 50).fraction == pytest.approx(0.05)
    clock.time += 1
    meter.finished("student")
    assert ask(meter, "baseline/finetune", 50).fraction == pytest.approx((100 + 450) / 1000)


def test_the_rest_takes_as_long_as_the_work_so_far_says(clock: Any) -> None:
    meter = Meter(COSTS, now=clock)
    assert ask(meter, "student", 10).eta_seconds is None
    clock.time += 3
    assert ask(meter, "student", 40).eta_seconds == pytest.approx(3 / 30 * 960)


def test_what_an_earlier_attempt_did_took_no_time_of_ours(clock: Any) -> None:
    meter = Meter(COSTS, now=clock)
    meter.finished("student")
    ask(meter, "baseline/finetune", 60)
    clock.time += 2
    assert ask(meter, "baseline/finetune", 80).eta_seconds == pytest.approx(2)


def test_events_are_spaced_but_the_last_always_comes(clock: Any) -> None:
    meter = Meter(COSTS, now=clock)
    assert ask(meter, "student", 1) is not None
    clock.time += INTERVAL_SECONDS * 0.9
    assert ask(meter, "student", 2) is None
    assert ask(meter, "student", 100) is not None
    clock.time += INTERVAL_SECONDS
    assert ask(meter, "baseline/finetune", 1) is not None


def test_a_run_that_stopped_early_is_done(clock: Any) -> None:
    meter = Meter(COSTS, now=clock)
    ask(meter, "student", 20)
    meter.finished("student")
    clock.time += 1
    assert ask(meter, "baseline/finetune", 100).fraction == 1.0
