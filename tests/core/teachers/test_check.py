"""How many images it takes to tell a teacher from a coin, and what is told of its class names."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.errors import TeacherLoadFailed
from core.networks.teacher import Teacher
from core.spec import TeacherSpec
from core.teachers import check as teacher_check
from core.teachers.check import Checked, coverage_warning

CLASSES, VALIDATION, TRAIN, MOST = 10, 20, 500, 128
NAMES = [f"class {label}" for label in range(CLASSES)]


class Check:
    """`check_teacher` for a teacher that is right on a share of images, and how many images each call took."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, share: float, wrong: Callable[[int], int] | None = None) -> Checked:
        """`wrong` gives the answer to a label where the teacher is not right; None: one that differs each time."""

        def answered(logits: None, split: Any, indices: torch.Tensor, **how: None) -> Any:
            places = torch.arange(sum(self.seen), sum(self.seen) + len(indices))
            self.seen.append(len(indices))
            labels = places % CLASSES
            others = (labels + 1 + places // CLASSES % (CLASSES - 1)) % CLASSES
            if wrong is not None:
                others = torch.tensor([wrong(int(label)) for label in labels])
            return teacher_check._Answers(torch.where(37 * places % 100 < 100 * share, labels, others), labels)

        splits = (SimpleNamespace(labels=range(count)) for count in (VALIDATION, TRAIN))
        dataset = SimpleNamespace(**dict(zip(("validation", "train"), splits, strict=True)), classes=NAMES)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(teacher_check, "_answered", answered)
            patch.setattr(teacher_check, "_affordable", lambda network: MOST)
            spec: Any = TeacherSpec(architecture="torchvision/resnet18")
            nothing: Any = None
            return teacher_check.check_teacher(spec, nothing, nothing, dataset, nothing, nothing)  # type: ignore[arg-type]


@pytest.fixture
def check() -> Check:
    return Check()


def test_a_good_teacher_is_known_by_the_validation_images_alone(check: Check) -> None:
    assert check(0.95) == Checked(0.95, None)
    assert sum(check.seen) == VALIDATION


def test_a_poor_one_is_looked_at_until_it_is_told_from_chance(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_check, "_margin", lambda chance, count: 0.0 if count == MOST else 1.0)
    assert check(0.5).validation_top1 == pytest.approx(0.55)
    assert sum(check.seen) == MOST


def test_one_that_guesses_is_refused_after_all_images_that_are_affordable(check: Check) -> None:
    with pytest.raises(TeacherLoadFailed, match=f"on {MOST} of the customer's images"):
        check(0.15)
    assert sum(check.seen) == MOST
    assert max(check.seen) <= teacher_check.AT_ONCE


def test_one_whose_names_are_all_shifted_is_refused_with_its_answers(check: Check) -> None:
    with pytest.raises(TeacherLoadFailed, match="'class 0' as 'class 1', 'class 1' as 'class 2'"):
        check(0.0, lambda label: (label + 1) % CLASSES)


def test_classes_that_are_exchanged_are_a_warning(
    run_job: Callable[..., Any], digits_teacher: Path, tmp_path: Path
) -> None:
    """The digits' real teacher under names of which 3 and 8 have changed places."""
    names = list("0123456789")
    names[3], names[8] = names[8], names[3]
    job = {
        "dataset": "builtin:digits", "student": "cifar/resnet8", "method": "pkd",
        "teacher": {"weights": "job:job_digits", "classes": names}, "training": {"image_size": 8, "devices": "cpu"},
    }  # fmt: skip
    ran = run_job(job, inputs=digits_teacher, plan_only=True)
    assert ran.error is None
    (told,) = [event.warning for event in ran.of("warning") if event.warning.code == "TEACHER_CLASSES_EXCHANGED"]
    assert "'3' as '8'" in told.message
    assert "'8' as '3'" in told.message
    assert told.count == 2
    (resolved,) = ran.of("resolved")
    assert 0.6 < resolved.teacher_validation_top1 < 0.85


def teacher_of(*classes: str) -> Teacher:
    network: Any = SimpleNamespace(num_classes=1000)
    return Teacher(network, classes or None)


@pytest.mark.parametrize(
    ("teacher", "code"),
    [
        (teacher_of(), "TEACHER_CLASSES_UNKNOWN"),
        (teacher_of("ant", "bee", "cat"), None),
        (teacher_of("ant", "Bee", "cat"), "TEACHER_CLASSES_MISSING"),
        (teacher_of("tench", "goldfish"), None),
    ],
    ids=["without names", "all classes", "some classes", "other classes"],
)
def test_a_teacher_that_cannot_be_checked_is_a_warning(teacher: Teacher, code: str | None) -> None:
    told = coverage_warning(teacher, ["ant", "bee"], "by_name")
    assert (told and told.code) == code
    if code == "TEACHER_CLASSES_MISSING":
        assert told is not None
        assert "'bee' (nearest: 'Bee')" in told.message
        assert told.count == 1


def test_an_order_of_tensors_that_nothing_verifies_is_told() -> None:
    told = [coverage_warning(teacher_of(), ["ant", "bee"], by) for by in ("by_name", "by_order")]
    assert [one is not None and "by_order" in one.message for one in told] == [False, True]
