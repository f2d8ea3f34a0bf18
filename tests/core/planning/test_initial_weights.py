"""What a student begins with where its teacher gives it weights: in a whole job, on the real digits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.planning.prepare import prepare
from core.policy import Policy
from core.spec import parse_job
from core.system.workspace import Workspace
from tests.core.conftest import Ran

TRAINING = {"image_size": 8, "max_steps": 2, "devices": "cpu", "batch_size": 16}


def job(
    student: str = "cifar/resnet8", method: str = "kd", weights: str = "teacher", classes: Any = ("7", "3")
) -> dict[str, Any]:
    return {
        "teacher": "job:job_digits",
        "dataset": {"uri": "builtin:digits", "classes": list(classes)},
        "student": {"architecture": student, "weights": weights},
        "method": method,
        "training": TRAINING,
        "exports": ["safetensors"],
    }


def student_of(document: Any, inputs: Any, out: Any) -> Any:
    """As it is before the first step, without gradients."""
    workspace = Workspace(out, out / "cache", inputs, Policy())
    prepared = prepare(parse_job(document), workspace, print)
    network = prepared.student.method.context.student
    return {name: value.detach() for name, value in network.module.state_dict().items()}


@pytest.fixture(scope="module")
def teachers(digits_teacher: Path) -> Any:
    return load_file(digits_teacher / "job_digits" / "model.safetensors")


def test_it_is_the_teachers_first_blocks_and_the_classes_rows(
    digits_teacher: Path, teachers: Any, tmp_path: Path
) -> None:
    student = student_of(job(), digits_teacher, tmp_path)
    for name in ("conv1.weight", "layer2.0.conv2.weight", "layer3.0.bn1.running_var"):
        assert torch.equal(student[name], teachers[name])
    assert torch.equal(student["fc.weight"], teachers["fc.weight"][[7, 3]])


def test_fine_tuning_begins_with_a_fresh_head(digits_teacher: Path, teachers: Any, tmp_path: Path) -> None:
    student = student_of(job(method="finetune"), digits_teacher, tmp_path)
    assert torch.equal(student["layer3.0.conv1.weight"], teachers["layer3.0.conv1.weight"])
    assert not torch.equal(student["fc.weight"], teachers["fc.weight"][[7, 3]])


def test_without_them_it_is_random(digits_teacher: Path, teachers: Any, tmp_path: Path) -> None:
    student = student_of(job(weights=None), digits_teacher, tmp_path)
    assert not torch.equal(student["conv1.weight"], teachers["conv1.weight"])


def test_the_job_trains_and_says_where_its_student_began(digits_teacher: Path, run_job: Callable[..., Ran]) -> None:
    ran = run_job(job(), inputs=digits_teacher)
    assert ran.error is None
    assert ran.of("resolved")[0].spec["student"]["weights"] == "teacher"
    assert load_file(ran.out / "artifacts/model.safetensors")["fc.weight"].shape == (2, 64)


def test_left_alone_it_is_the_teachers_for_a_student_of_its_family(
    digits_teacher: Path, run_job: Callable[..., Ran]
) -> None:
    ran = run_job(job(weights="auto"), inputs=digits_teacher, plan_only=True)
    assert ran.of("resolved")[0].spec["student"]["weights"] == "teacher"


def test_left_alone_it_is_random_for_any_other_student(digits_teacher: Path, run_job: Callable[..., Ran]) -> None:
    ran = run_job(job("cifar/resnet8x4", weights="auto"), inputs=digits_teacher, plan_only=True)
    assert ran.of("resolved")[0].spec["student"]["weights"] is None


def test_another_family_is_refused_before_any_training(digits_teacher: Path, run_job: Callable[..., Ran]) -> None:
    ran = run_job(job("cifar/resnet8x4"), inputs=digits_teacher)
    assert ran.failure.code == "SPEC_INVALID" and ran.phases == ["preparing"]
    assert "only" in ran.failure.message and "cifar/resnet14" in ran.failure.message
    assert not (ran.out / "artifacts").exists()


def test_the_fine_tuned_student_begins_as_the_student_and_no_teacher_teaches_it(
    digits_teacher: Path, run_job: Callable[..., Ran]
) -> None:
    """With the teacher's term worth nothing, student and baseline are one training."""
    document = job(method={"name": "kd", "weight": 0.0, "label_weight": 1.0}) | {
        "evaluation": {"baselines": ["finetune_student"]}
    }
    ran = run_job(document, inputs=digits_teacher)
    assert ran.error is None
    student, baseline = ran.result.metrics, ran.result.baselines["finetune_student"]
    assert baseline["architecture"] == "cifar/resnet8"
    assert baseline["test"] == {**student["test"], **baseline["test"]}
    assert baseline["test"]["loss"] == student["test"]["loss"]


def test_a_job_is_warned_about_the_file_of_its_students_weights(
    digits_teacher: Path, run_job: Callable[..., Any], tmp_path: Path
) -> None:
    """A further head that the architecture has no place for, once for the student and not for its baselines."""
    weights = load_file(digits_teacher / "job_digits" / "model.safetensors")
    path = tmp_path / "two-heads.pth"
    torch.save({**weights, "head_dist.weight": torch.zeros(10, 64), "head_dist.bias": torch.zeros(10)}, path)
    document = {**job("cifar/resnet14", method="scratch", weights=path.as_uri()), "teacher": None}
    ran = run_job({**document, "evaluation": {"baselines": ["finetune"]}}, plan_only=True)
    assert [event.warning.code for event in ran.of("warning") if event.warning.code.startswith("WEIGHTS")] == [
        "WEIGHTS_IGNORED"
    ]
