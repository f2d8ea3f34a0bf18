"""The runs of a job: the student, and the baselines that are trained on the same images and steps for comparison."""

from dataclasses import replace

from core.errors import SpecInvalid
from core.job import Run
from core.spec import JobSpec, StudentSpec
from core.spec.knobs.finetune import FinetuneKnobs
from core.spec.knobs.scratch import ScratchKnobs

# Fine-tuning begins with a classifier that fits the given features: a few steps from a random one would distort them.
TUNED_TEACHER = StudentSpec(size="same", classifier="fitted")


def plan_runs(spec: JobSpec) -> tuple[Run, ...]:
    """The student and the baselines, each `evaluation.seeds` times; all runs of the first seed come first."""
    firsts = [("student", spec), *((f"baseline/{name}", _baseline(spec, name)) for name in spec.evaluation.baselines)]
    return tuple(
        Run(name if offset == 0 else f"{name}@{offset}", its_spec, offset)
        for offset in range(spec.evaluation.seeds)
        for name, its_spec in firsts
    )


def with_students_weights(run: Run, student: StudentSpec) -> Run:
    """A run of `finetune_student` with the initial weights of `student`, the resolved student; other runs as they are.

    Raises:
        SpecInvalid: where the student begins at random, since `scratch` is that baseline.
    """
    if run.repeats != "baseline/finetune_student":
        return run
    if student.weights is None:
        detail = (
            "baseline 'finetune_student' needs a student that begins with weights, and "
            f"{student.architecture} begins at random here; allowed: scratch, finetune, or a student with weights "
            "(of its teacher's family, or with student.weights)"
        )
        raise SpecInvalid([("/evaluation/baselines", detail)])
    begun = student.model_copy(update={"classifier": run.spec.student.classifier})
    if begun.classifier == "auto":  # what a practitioner does
        begun = begun.model_copy(update={"classifier": "initial"})
    return replace(run, spec=run.spec.model_copy(update={"student": begun}))


def _baseline(spec: JobSpec, name: str) -> JobSpec:
    """The spec of a baseline, which learns from labels alone.

    `scratch`: the student's architecture from random weights. `finetune`: given weights of the student's architecture
    where `student.weights` names them, else the teacher's own network, which is what users do today and which stays
    large. `finetune_student`: the student's architecture and initial weights (see `with_students_weights`).
    """
    student = spec.student
    if name == "finetune_student":
        return spec.model_copy(update={"method": ScratchKnobs()})
    if name == "scratch":
        bare = StudentSpec.model_validate({**student.model_dump(), "weights": None})
        return spec.model_copy(update={"method": ScratchKnobs(), "student": bare})
    if student.weights in (None, "auto", "teacher", "relative"):
        student = TUNED_TEACHER
    return spec.model_copy(update={"method": FinetuneKnobs(), "student": student})
