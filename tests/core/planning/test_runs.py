"""Which trainings a job is made of."""

from typing import Any

import pytest

from core.errors import SpecInvalid
from core.planning.runs import plan_runs, with_students_weights
from core.spec import StudentSpec, parse_job

JOB = {"teacher": "torchvision/resnet50", "dataset": "builtin:digits", "student": "nano", "training": {"seed": 7}}


def runs_of(**changes: Any) -> Any:
    return {run.name: run for run in plan_runs(parse_job({**JOB, **changes}))}


def test_without_baselines_there_is_the_student() -> None:
    runs = runs_of()
    assert list(runs) == ["student"]
    assert runs["student"].seed == 7 and runs["student"].metric_prefix == ""


def test_seeds_repeat_everything_the_first_seeds_first() -> None:
    runs = runs_of(evaluation={"baselines": ["scratch", "finetune"], "seeds": 2})
    firsts = ["student", "baseline/scratch", "baseline/finetune"]
    assert list(runs) == [*firsts, *(f"{name}@1" for name in firsts)]
    assert [run.seed for run in runs.values()] == [7, 7, 7, 8, 8, 8]
    assert [run.repeats for run in runs.values()] == firsts * 2
    assert runs["baseline/scratch"].metric_prefix == "baseline/scratch/"
    assert len({run.metric_prefix for run in runs.values()}) == 6


def test_scratch_is_the_students_architecture_with_random_weights() -> None:
    student = {"architecture": "timm/resnet18", "weights": "published"}
    run = runs_of(student=student, evaluation={"baselines": ["scratch"]})["baseline/scratch"]
    assert run.spec.method.name == "scratch"
    assert run.spec.student.architecture == "timm/resnet18" and run.spec.student.weights is None


def test_finetune_is_the_teachers_own_network() -> None:
    run = runs_of(evaluation={"baselines": ["finetune"]})["baseline/finetune"]
    assert run.spec.method.name == "finetune" and run.spec.student.size == "same"


def test_finetune_starts_from_the_students_weights_where_it_has_some() -> None:
    student = {"architecture": "timm/resnet18", "weights": "published"}
    run = runs_of(student=student, evaluation={"baselines": ["finetune"]})["baseline/finetune"]
    assert run.spec.student.architecture == "timm/resnet18" and run.spec.student.weights == "published"


def test_baselines_leave_the_weights_that_a_student_has_of_its_teacher() -> None:
    student = {"architecture": "timm/resnet18", "weights": "teacher"}
    runs = runs_of(student=student, evaluation={"baselines": ["scratch", "finetune"]})
    assert runs["baseline/scratch"].spec.student.weights is None
    assert runs["baseline/finetune"].spec.student.size == "same"


def test_baselines_get_the_same_data_and_the_same_training() -> None:
    runs = runs_of(evaluation={"baselines": ["scratch", "finetune"]}, training={"epochs": 3, "mixup_alpha": 0.2})
    for run in runs.values():
        assert run.spec.training == runs["student"].spec.training
        assert run.spec.dataset == runs["student"].spec.dataset


@pytest.mark.parametrize("name", ["baseline/finetune_student", "baseline/finetune_student@1"])
def test_finetune_student_learns_from_labels_alone_and_begins_as_the_student_does(name: str) -> None:
    runs = runs_of(evaluation={"baselines": ["finetune_student"], "seeds": 2})
    begun = StudentSpec(architecture="cifar/resnet8", weights="teacher", classifier="fitted")
    run = with_students_weights(runs[name], begun)
    assert run.spec.method.name == "scratch"
    assert run.spec.student == begun.model_copy(update={"classifier": "initial"}), "a practitioner fits no classifier"
    assert (run.name, run.seed, run.spec.training) == (name, runs[name].seed, runs["student"].spec.training)


@pytest.mark.parametrize("name", ["student", "baseline/scratch", "baseline/finetune", "baseline/scratch@1"])
def test_no_other_run_takes_the_students_weights(name: str) -> None:
    run = runs_of(evaluation={"baselines": ["scratch", "finetune"], "seeds": 2})[name]
    assert with_students_weights(run, StudentSpec(architecture="cifar/resnet8", weights="teacher")) is run


def test_finetune_student_is_refused_where_the_student_begins_at_random() -> None:
    run = runs_of(evaluation={"baselines": ["finetune_student"]})["baseline/finetune_student"]
    with pytest.raises(SpecInvalid, match=r"cifar/wrn_16_1 begins at random.*allowed: scratch"):
        with_students_weights(run, StudentSpec(architecture="cifar/wrn_16_1", weights=None))
