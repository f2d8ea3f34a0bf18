"""How long a training is planned to be for a deadline; a whole job with one, by a clock that the test turns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.planning.deadline import steps_within
from core.planning.timing import StepTime
from core.system.interruption import Interrupted, JobControl

TIMED = StepTime(seconds=1.0, teacher_seconds=0.75, count=10)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (5, (5, 0)),  # too short to store a view: a step with the teacher takes a second
        (12.5, (20, 1)),  # 7.5 s for the view, two epochs of ten steps in the rest
        (24, (66, 1)),
        (25, (40, 2)),
        (100, (160, 8)),
        (1000, (3760, 8)),
    ],
)
def test_as_many_views_as_are_used_twice(seconds: float, expected: tuple[int, int]) -> None:
    assert steps_within(seconds, TIMED, steps_per_epoch=10, most_views=8) == expected


def test_a_method_without_a_teacher_stores_none() -> None:
    timed = StepTime(seconds=0.5, teacher_seconds=0.0, count=10)
    assert steps_within(100, timed, steps_per_epoch=10, most_views=8) == (200, 0)


class Ticking:
    """A clock that moves by `seconds` whenever it is read."""

    def __init__(self, seconds: float) -> None:
        self.time, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.time += self.seconds
        return self.time


def job_with(seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "teacher": "job:job_digits",
        "dataset": {"uri": "builtin:digits", "classes": ["3", "5", "8"], "max_per_class": 20},
        "student": "cifar/resnet8",
        "training": {"image_size": 8, "batch_size": 12, "devices": "cpu", "deadline_seconds": seconds},
        "exports": ["safetensors"],
        **more,
    }


@pytest.mark.slow
def test_a_job_ends_with_its_time(run_job: Callable[..., Any], digits_teacher: Path) -> None:
    """Reading the clock takes the time, so that the test does not wait for it."""
    job, clock = job_with(12.0, evaluation={"baselines": ["scratch"]}), Ticking(0.02)
    ran = run_job(job, inputs=digits_teacher, control=JobControl(60, now=clock, deadline_seconds=12.0))
    assert ran.error is None
    result = ran.result
    kept = result.metrics["deadline"]
    assert kept["seconds"] == 12.0 and kept["used_seconds"] <= 12.6
    assert kept["steps"] == result.metrics["steps"] > 10
    assert result.baselines["scratch"]["steps"] == kept["steps"]
    rates = [event.values["learning_rate"] for event in ran.events if "learning_rate" in getattr(event, "values", {})]
    assert rates[kept["steps"] - 1 if len(rates) > kept["steps"] else -1] < 0.1 * max(rates)


@pytest.mark.slow
def test_a_resumed_job_goes_on_with_its_schedule_in_the_time_that_is_left(
    run_job: Callable[..., Any], digits_teacher: Path, tmp_path: Path
) -> None:
    def control(**more: Any) -> JobControl:
        return JobControl(60, now=Ticking(0.02), deadline_seconds=12.0, **more)

    def interrupt(event: Any) -> None:
        if event.event == "metric" and event.step >= 12:
            first.interrupted.set()

    first = control()
    with pytest.raises(Interrupted):
        run_job(job_with(12.0), inputs=digits_teacher, out=tmp_path, control=first, hear=interrupt)
    spent = first.spent()
    ran = run_job(
        job_with(12.0), inputs=digits_teacher, out=tmp_path, resume=True, control=control(spent_seconds=spent)
    )
    assert ran.error is None
    kept = ran.result.metrics["deadline"]
    assert spent < kept["used_seconds"] <= 12.6 and kept["steps"] > 12
    told = [event.message for event in ran.of("log")]
    assert not any(message.startswith("deadline of") for message in told), "it was planned again"
    assert any("from step 1" in message for message in told)


@pytest.mark.slow
def test_a_crash_that_used_up_the_time_leaves_the_fitted_classifier(
    run_job: Callable[..., Any], digits_teacher: Path
) -> None:
    control = JobControl(60, deadline_seconds=30.0, spent_seconds=1e6)
    ran = run_job(job_with(30.0, exports=["safetensors", "onnx"]), inputs=digits_teacher, control=control)
    assert ran.error is None
    metrics = ran.result.metrics
    assert metrics["steps"] == 0 and metrics["test"]["top1"] > 0.5
    assert {"model.safetensors", "model.onnx", "report.html"} <= {event.name for event in ran.of("artifact")}


@pytest.mark.slow
def test_a_time_too_short_is_refused_with_the_shortest_that_is_not(
    run_job: Callable[..., Any], digits_teacher: Path
) -> None:
    ran = run_job(job_with(0.5), inputs=digits_teacher, control=JobControl(60, deadline_seconds=0.5))
    assert ran.failure.code == "SPEC_INVALID" and ran.error.pointer == "/training/deadline_seconds"
    assert "at least" in ran.failure.message
