"""Checks whether the parts of a job fit together, as far as that is known without reading a file."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.spec.knobs import Knobs, Need
from core.spec.methods import TEACHERLESS, CombinedKnobs

if TYPE_CHECKING:
    from core.spec.job import JobSpec

# Values of student.weights that give no weights; `auto` without a teacher is the same as null.
RANDOM = (None, "auto")


def misfits(spec: "JobSpec") -> Iterator[tuple[str, str]]:
    """(JSON pointer, what is wrong) of every pair of parts that do not fit."""
    for knobs in methods_of(spec.method):
        yield from _unmet(knobs, spec)
    if spec.teacher is None and spec.student.size == "same":
        yield "/student", "student 'same' needs a teacher to be the same as"
    if spec.teacher is None and spec.student.weights == "teacher":
        yield "/student/weights", "'teacher' needs a teacher to take weights from; allowed without: a URI, published"
    given = spec.teacher is not None or spec.student.weights not in RANDOM
    if "finetune" in spec.evaluation.baselines and not given:
        yield "/evaluation/baselines", "baseline 'finetune' needs given weights: a teacher, or student.weights"
    if "finetune_student" in spec.evaluation.baselines and (not given or spec.student.weights is None):
        yield (
            "/evaluation/baselines",
            "baseline 'finetune_student' needs a student that begins with weights: of a teacher of its family, or "
            "student.weights",
        )
    deadline, limit = spec.training.deadline_seconds, spec.training.max_runtime_seconds
    if deadline is not None and limit is not None and limit <= deadline:
        yield (
            "/training/max_runtime_seconds",
            f"the job would fail after {limit:g} s, before its deadline_seconds of {deadline:g}; allowed: more than "
            f"{deadline:g}, or null",
        )
    if spec.student.classifier == "fitted" and not spec.method.keeps_classifier:
        detail = f"'fitted' is about the student's own classifier, which method {name_of(spec.method)!r} replaces"
        yield "/student/classifier", f"{detail}; allowed: auto, initial"
    if spec.more_teachers and not all(knobs.takes_more_teachers for knobs in methods_of(spec.method)):
        yield "/more_teachers", f"method {name_of(spec.method)!r} learns from one teacher"


def methods_of(method: Knobs) -> tuple[Knobs, ...]:
    """The terms of a combination, or the one method itself."""
    return method.terms if isinstance(method, CombinedKnobs) else (method,)


def needs_of(method: Knobs) -> frozenset[Need]:
    """The needs of a method, or of all methods of a combination."""
    return frozenset(need for knobs in methods_of(method) for need in knobs.needs)


def name_of(method: Knobs) -> str:
    """The name for a person: skd, or skd + kd."""
    return " + ".join(knobs.name for knobs in methods_of(method))


def _unmet(knobs: Knobs, spec: "JobSpec") -> Iterator[tuple[str, str]]:
    name = name_of(knobs)
    if "teacher" in knobs.needs and spec.teacher is None:
        yield "/teacher", f"method {name!r} needs a teacher; methods without: {', '.join(sorted(TEACHERLESS))}"
    if "initial weights" in knobs.needs and spec.teacher is None and spec.student.weights in RANDOM:
        yield (
            "/student/weights",
            f"method {name!r} needs given weights: a teacher with student 'same', or student.weights",
        )
    if "target images" in knobs.needs and spec.dataset.target_uri is None:
        yield "/dataset/target_uri", f"method {name!r} needs unlabelled images of the domain to adapt to"
    if "trajectory" in knobs.needs and spec.teacher is not None and not spec.teacher.may_have_trajectory:
        detail = (
            f"method {name!r} needs the checkpoints of the teacher's own training: name a job: that was run with "
            "training.keep_trajectory, or list them in teacher.trajectory"
        )
        yield "/teacher", detail
