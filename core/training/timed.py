"""What a deadline means for each training of a job."""

from dataclasses import replace

from core.job import TEACHER, PreparedRun
from core.system.interruption import JobControl
from core.training.inputs import PreparedJob
from core.training.pace import Pace, TimedPace

TEACHER_SHARE = 0.4
"""Of the time for training, for fine-tuning the teacher: it learns less from more steps than the student does."""
FORWARD = 1 / 3
"""Of the time of a training step, whose backward pass costs two forward passes."""


def pace_of(run: PreparedRun, job: PreparedJob, control: JobControl) -> Pace | None:
    """The pace of a training whose end the job's deadline decides; None: step by step."""
    deadline, length = control.deadline, run.length
    if deadline is None or length is None or not (run is job.student or run is job.adaptation):
        return None
    end = deadline.used() + TEACHER_SHARE * deadline.left_to_train() if run.run.name == TEACHER else None
    return TimedPace(
        run.steps,
        left=deadline.left_to_train if end is None else lambda: end - deadline.used(),
        step_seconds=length.step_seconds,
        validation_seconds=FORWARD * length.step_seconds * len(run.dataset.validation.labels) / run.training.batch_size,
        most_steps=length.most_steps,
        ranks=job.workspace.ranks,
        now=control.now,
    )


def with_as_many_steps(run: PreparedRun, steps: int) -> PreparedRun:
    """The run with the number of steps that the student took by its deadline: a comparison is of equal steps."""
    per_epoch = max(len(run.dataset.train.labels) // run.training.batch_size, 1)
    steps = max(steps, 1)
    training = run.training.model_copy(update={"epochs": -(-steps // per_epoch), "max_steps": steps})
    return replace(run, spec=run.spec.model_copy(update={"training": training}), steps=steps)
