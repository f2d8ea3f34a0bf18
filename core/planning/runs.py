"""The networks trained beside the student, on the same images and for the same steps, so that its worth can be seen."""

from core.job import Run
from core.spec import JobSpec, StudentSpec
from core.spec.knobs.finetune import FinetuneKnobs
from core.spec.knobs.scratch import ScratchKnobs


def plan_runs(spec: JobSpec) -> tuple[Run, ...]:
    """The student and the baselines, each `evaluation.seeds` times, the first seeds first."""
    firsts = [("student", spec), *((f"baseline/{name}", _baseline(spec, name)) for name in spec.evaluation.baselines)]
    return tuple(
        Run(name if offset == 0 else f"{name}@{offset}", its_spec, offset)
        for offset in range(spec.evaluation.seeds)
        for name, its_spec in firsts
    )


def _baseline(spec: JobSpec, name: str) -> JobSpec:
    """`scratch`: the student's architecture from random weights. `finetune`: given weights of the student's
    architecture where `student.weights` names them, else the teacher's own network, which is what users do today and
    which stays large."""
    student = spec.student
    if name == "scratch":
        bare = StudentSpec.model_validate({**student.model_dump(), "weights": None})
        return spec.model_copy(update={"method": ScratchKnobs(), "student": bare})
    if student.weights in (None, "auto", "teacher"):
        student = StudentSpec(size="same")
    return spec.model_copy(update={"method": FinetuneKnobs(), "student": student})
