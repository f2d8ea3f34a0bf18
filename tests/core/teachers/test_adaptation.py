"""When a job adapts its teacher unasked."""

from typing import Any

import pytest

from core.networks.teacher import Teacher
from core.spec import TeacherSpec
from core.teachers.adaptation import choose_adaptation, with_classifier_for
from tests.core.tiny import make_network

SIX = ("ant", "bee", "cat", "dog", "elk", "fox")
NEEDS = ("teacher", "common classes")


def choose(classes: tuple[str, ...], known: tuple[str, ...] | None, needs: Any = NEEDS, **fields: Any) -> str:
    spec = TeacherSpec(architecture="cifar/resnet8", **fields)
    return choose_adaptation(spec, Teacher(make_network("cifar/resnet8", 6), known), classes, needs)


@pytest.mark.parametrize(
    ("classes", "known", "needs", "chosen"),
    [
        (("carton", "glass"), SIX, NEEDS, "head"),
        (("bee", "ant"), SIX, NEEDS, "none"),
        (("bee", "atn"), SIX, NEEDS, "none"),
        (("carton", "glass"), None, NEEDS, "head"),
        (("a", "b", "c", "d", "e", "f"), None, NEEDS, "none"),
        (("carton", "glass"), SIX, ("labels",), "none"),
        (("carton", "glass"), SIX, (*NEEDS, "trajectory"), "none"),
    ],
)
def test_auto_adapts_a_teacher_that_knows_none_of_the_classes(
    classes: tuple[str, ...], known: tuple[str, ...] | None, needs: tuple[str, ...], chosen: str
) -> None:
    assert choose(classes, known, needs) == chosen


@pytest.mark.parametrize("asked", ["none", "head", "full"])
def test_what_the_job_names_is_done(asked: str) -> None:
    assert choose(("bee", "ant"), SIX, adapt=asked) == asked


def test_the_new_classifier_is_that_of_the_seed() -> None:
    teachers = [
        with_classifier_for(Teacher(make_network("cifar/resnet8", 6), SIX), ("a", "b"), seed=seed) for seed in (1, 1, 2)
    ]
    first, same, other = (teacher.network.module.state_dict()["fc.weight"] for teacher in teachers)
    assert first.shape[0] == 2 and first.equal(same) and not first.equal(other)
    assert teachers[0].classes == ("a", "b")
