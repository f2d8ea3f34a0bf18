"""The networks trained beside the student, on the same images and for the same steps, so that its worth can be seen."""

from dataclasses import dataclass

from core.spec import JobSpec, StudentSpec
from core.spec.knobs.finetune import FinetuneKnobs
from core.spec.knobs.scratch import ScratchKnobs


@dataclass(frozen=True)
class Run:
    """One training of the job. `spec` still may hold `auto`; `seed_offset` counts the repetitions."""

    name: str
    spec: JobSpec
    seed_offset: int = 0

    @property
    def seed(self) -> int:
        """Of this training's weights, order and augmentation."""
        return self.spec.training.seed + self.seed_offset

    @property
    def metric_prefix(self) -> str:
        """What stands before its metrics' names: nothing for the student itself."""
        return "" if self.name == "student" else f"{self.name}/"

    @property
    def repeats(self) -> str:
        """The run that this is a repetition of, with another seed; itself for the first."""
        return self.name.partition("@")[0]


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
