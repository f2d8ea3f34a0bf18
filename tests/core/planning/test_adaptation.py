"""Jobs whose teacher knows other classes: it is adapted first, once for all jobs with the same inputs."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from core.events import Event
from core.system.interruption import Interrupted, JobControl
from tests.core.conftest import Ran
from tests.core.tiny import same_weights

pytestmark = pytest.mark.slow

OTHER_NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
JOB: dict[str, Any] = {
    "teacher": {"weights": "job:job_digits", "classes": OTHER_NAMES},
    "dataset": {"uri": "builtin:digits", "classes": ["3", "5", "8"], "max_per_class": 40},
    "student": "cifar/resnet8",
    "method": "kd",
    "training": {"image_size": 8, "max_steps": 6, "batch_size": 16, "devices": "cpu", "checkpoint_seconds": 1e-4},
    "exports": ["safetensors"],
}
RunJob = Callable[..., Ran]


def job(adapt: str | None = None, **fields: Any) -> dict[str, Any]:
    document = copy.deepcopy(JOB) | fields
    if adapt is not None:
        document["teacher"]["adapt"] = adapt
    return document


def weights(ran: Ran, name: str = "teacher") -> dict[str, torch.Tensor]:
    return load_file(ran.out / "artifacts" / f"{name}.safetensors")


def messages(ran: Ran) -> str:
    return "\n".join(event.message for event in ran.of("log"))


def stopped_in_teacher(run_job: RunJob, inputs: Path, out: Path, document: dict[str, Any]) -> None:
    """The job, asked to end in the middle of the teacher's training."""
    control = JobControl(1e-4)

    def hear(event: Event) -> None:
        if event.event == "metric" and "teacher/train/loss" in event.values and event.step == 3:
            control.interrupt()

    with pytest.raises(Interrupted):
        run_job(document, inputs=inputs, out=out, hear=hear, control=control)


def test_a_method_of_common_classes_gets_a_fitted_classifier(digits_teacher: Path, run_job: RunJob) -> None:
    ran = run_job(job(), inputs=digits_teacher)
    assert ran.error is None
    assert ran.of("resolved")[0].spec["teacher"]["adapt"] == "head"
    assert ran.of("resolved")[0].teacher_validation_top1 > 0.8
    assert ran.result is not None and ran.result.teacher is not None
    assert ran.result.teacher["adapted"] == "head" and ran.result.teacher["test"]["top1"] > 0.8
    given, adapted = load_file(digits_teacher / "job_digits/model.safetensors"), weights(ran)
    changed = {name for name in given if not torch.equal(given[name], adapted[name])}
    assert changed == {"fc.weight", "fc.bias"} and adapted["fc.weight"].shape[0] == 3
    with safe_open(ran.out / "artifacts/teacher.safetensors", "pt") as file:
        assert file.metadata()["classes"] == '["3", "5", "8"]'


def test_a_teacher_that_knows_the_classes_stays_as_it_is(digits_teacher: Path, run_job: RunJob) -> None:
    ran = run_job(job(teacher="job:job_digits"), inputs=digits_teacher)
    assert ran.of("resolved")[0].spec["teacher"]["adapt"] == "none"
    assert not (ran.out / "artifacts/teacher.safetensors").exists()


def test_without_adaptation_the_method_lacks_its_classes(digits_teacher: Path, run_job: RunJob) -> None:
    assert run_job(job("none"), inputs=digits_teacher).failure.code == "LABEL_SPACE_MISMATCH"


def test_a_plan_says_so_and_fits_nothing(digits_teacher: Path, run_job: RunJob) -> None:
    for adapt in ("head", "full"):
        ran = run_job(job(adapt), inputs=digits_teacher, plan_only=True)
        assert ran.error is None and f"teacher.adapt: {adapt}" in messages(ran)
        assert ran.of("resolved")[0].teacher_validation_top1 is None
    assert ran.of("resolved")[0].estimate.steps == 12, "the teacher's training counts"


def test_fine_tuned_the_teacher_is_a_training_of_the_job(digits_teacher: Path, run_job: RunJob) -> None:
    document = job("full", evaluation={"baselines": ["finetune"]})
    ran = run_job(document, inputs=digits_teacher)
    assert ran.error is None
    assert "teacher/train/loss" in {name for event in ran.of("metric") for name in event.values}
    assert ran.of("progress")[-1].fraction == 1.0
    assert "baseline/finetune" not in {event.run for event in ran.of("progress")}, "it is the same training"
    assert ran.result is not None and ran.result.teacher is not None
    assert ran.result.teacher["test"]["top1"] == ran.result.baselines["finetune"]["test"]["top1"]
    given, adapted = load_file(digits_teacher / "job_digits/model.safetensors"), weights(ran)
    assert [given["fc.weight"].shape[0], adapted["fc.weight"].shape[0]] == [10, 3]


def test_stopped_in_the_adaptation_it_ends_with_the_same_bits(
    digits_teacher: Path, run_job: RunJob, tmp_path: Path
) -> None:
    unbroken = run_job(job("full"), inputs=digits_teacher)
    stopped_in_teacher(run_job, digits_teacher, tmp_path, job("full"))
    again = run_job(job("full"), inputs=digits_teacher, out=tmp_path, resume=True)
    steps = [event.step for event in again.of("metric") if "teacher/train/loss" in event.values]
    assert steps == [4, 5, 6], "no step is done twice"
    assert same_weights(weights(again), weights(unbroken))
    assert same_weights(weights(again, "model"), weights(unbroken, "model"))


def test_a_later_job_shares_the_fine_tuned_teacher(digits_teacher: Path, run_job: RunJob, tmp_path: Path) -> None:
    first = run_job(job("full"), inputs=digits_teacher, out=tmp_path)
    taught = weights(first)
    second = run_job(job("full", method="dist"), inputs=digits_teacher, out=tmp_path)
    assert "teacher" not in {event.run for event in second.of("progress")}
    assert same_weights(weights(second), taught)
    other = job("full")
    other["dataset"]["classes"] = ["3", "5", "9"]
    third = run_job(other, inputs=digits_teacher, out=tmp_path)
    assert "teacher" in {event.run for event in third.of("progress")}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        (
            {"more_teachers": [{"weights": "job:job_digits", "adapt": "full"}], "method": "simkd"},
            "/more_teachers/0/adapt",
        ),
        ({"method": "rco"}, "/teacher/adapt"),
    ],
)
def test_what_cannot_be_adapted_is_refused(
    fields: dict[str, Any], pointer: str, digits_teacher: Path, run_job: RunJob
) -> None:
    failure = run_job(job("head", **fields), inputs=digits_teacher)
    assert failure.error is not None and pointer in str(getattr(failure.error, "errors", failure.error))
