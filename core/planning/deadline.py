"""Plans the length of a training for `training.deadline_seconds`, from the times of a few real steps.

The number of steps, the stored teacher pass and the fitted classifier follow from the time that is left for training.
While the job trains, core.training.pace replaces this plan's times by the real ones.
"""

import math
from collections.abc import Callable
from dataclasses import replace

from core.errors import SpecInvalid
from core.events import Event, Log
from core.job import Length, PreparedRun
from core.planning.reserve import set_reserve
from core.planning.strategy import AUTO_VIEWS, EPOCHS_PER_VIEW, live_reason
from core.planning.timing import MEASURED_SECONDS, StepTime, time_steps
from core.spec import JobSpec, TrainingSpec
from core.system.deadline import Deadline
from core.training.build import build_method
from core.training.inputs import PreparedJob

MEASURED_SHARE = 0.03  # of the deadline, for timing steps
MAX_EPOCHS = 100_000
FIT_SHARE = 0.3
"""A classifier is fitted before the training if that takes at most this share of the time for training."""
FIT_SECONDS = 0.5  # of the logistic regression, besides the forward pass
FORWARD = 1 / 3  # of a training step, whose backward pass costs two forward passes
LEAST_EPOCHS = 1  # from random weights: less would not be worth publishing


def plan_length(
    job: PreparedJob, deadline: Deadline, report: Callable[[Event], None], *, is_first: bool, plan_only: bool
) -> Length:
    """The length of the student's training within the deadline.

    Sets the deadline's reserve. Raises SpecInvalid, with the smallest deadline that could work, where the time is too
    short for any network; not for a job that goes on (not `is_first`), which publishes what it has.
    """
    run = job.student
    method = build_method(run, job.teachers, job.arithmetic, job.workspace)  # its weights change
    timed = time_steps(job, run, method, min(MEASURED_SECONDS, MEASURED_SHARE * deadline.seconds))
    set_reserve(deadline, job, method.deployed(), timed)
    left = job.workspace.ranks.largest(round(1000 * deadline.left_to_train())) / 1000  # all ranks plan the same
    per_epoch = _steps_per_epoch(run)
    if plan_only and run.spec.teacher is not None and run.spec.teacher.adapt == "head":
        left -= per_epoch * timed.teacher_seconds  # a plan fits no classifier
    fit = per_epoch * timed.student_seconds * FORWARD + FIT_SECONDS
    is_fitted = run.spec.student.weights is not None and run.run.spec.student.classifier == "auto"
    least = fit if run.spec.student.weights is not None else LEAST_EPOCHS * per_epoch * timed.seconds
    if is_first and left < least:
        _refuse(deadline, deadline.seconds - left + least)
    is_fitted = is_fitted and (fit <= FIT_SHARE * left or left < least + timed.seconds)
    length = _length(run, method_keeps_teacher=not live_reason(run.training, method), timed=timed,
                     seconds=max(left - (fit if is_fitted else 0.0), 0.0), is_fitted=is_fitted)  # fmt: skip
    report(Log(message=_told(deadline, length)))
    return length


def with_length(spec: JobSpec, length: Length) -> JobSpec:
    """The job with the planned length in place of its own."""
    filled: dict[str, object] = {"epochs": length.epochs, "max_steps": length.steps}
    if length.views:
        filled["stored_views"] = length.views
    return spec.model_copy(update={"training": spec.training.model_copy(update=filled)})


def with_fitted_classifier(run: PreparedRun) -> PreparedRun:
    """The run with a classifier that is fitted before the training, where its length says so."""
    if run.length is None or not run.length.fits_classifier:
        return run
    student = run.spec.student.model_copy(update={"classifier": "fitted"})
    return replace(run, spec=run.spec.model_copy(update={"student": student}))


def steps_within(seconds: float, timed: StepTime, *, steps_per_epoch: int, most_views: int) -> tuple[int, int]:
    """(steps, views of a stored teacher pass) that fit into `seconds`; 0 views: the teacher runs live.

    As many views as are worth it: the teacher runs on each once, and each serves EPOCHS_PER_VIEW epochs at least.
    """
    views = most_views if timed.teacher_seconds else 0
    while views:
        rest = seconds - views * steps_per_epoch * timed.teacher_seconds
        steps = int(rest / timed.student_seconds)
        if steps >= EPOCHS_PER_VIEW * views * steps_per_epoch:
            return steps, views
        views //= 2
    return int(seconds / timed.seconds), 0


def _length(
    run: PreparedRun, *, method_keeps_teacher: bool, timed: StepTime, seconds: float, is_fitted: bool
) -> Length:
    asked, per_epoch = run.run.spec.training, _steps_per_epoch(run)
    most_views = _most_views(asked, run.training.augmentation) if method_keeps_teacher else 0
    steps, views = steps_within(seconds, timed, steps_per_epoch=per_epoch, most_views=most_views)
    limit = _limit(asked, per_epoch)
    steps = max(1, min(steps, MAX_EPOCHS * per_epoch, limit or steps))
    return Length(
        steps=steps,
        epochs=math.ceil(steps / per_epoch),
        views=views if asked.stored_views == "auto" else 0,
        step_seconds=timed.student_seconds if views else timed.seconds,
        most_steps=limit,
        seconds=seconds,
        fits_classifier=is_fitted,
    )


def _most_views(asked: TrainingSpec, augmentation: str) -> int:
    if asked.teacher_pass == "live":
        return 0
    if asked.stored_views != "auto":
        return asked.stored_views
    return AUTO_VIEWS if augmentation != "none" else 1


def _limit(asked: TrainingSpec, per_epoch: int) -> int | None:
    """The steps that the job allows at most."""
    limits = [] if asked.epochs == "auto" else [asked.epochs * per_epoch]
    limits += [] if asked.max_steps is None else [asked.max_steps]
    return min(limits, default=None)


def _steps_per_epoch(run: PreparedRun) -> int:
    return max(len(run.dataset.train.labels) // run.training.batch_size, 1)


def _refuse(deadline: Deadline, smallest: float) -> None:
    detail = (
        f"{deadline.seconds:g} s are too short here: {deadline.used():.1f} s have gone into preparing the job, and "
        f"evaluation and export need about {deadline.reserve_seconds:.1f} s; allowed: at least {math.ceil(smallest)}"
    )
    raise SpecInvalid([("/training/deadline_seconds", detail)])


def _told(deadline: Deadline, length: Length) -> str:
    fitted = ", after its classifier is fitted to its features" if length.fits_classifier else ""
    return (
        f"deadline of {deadline.seconds:g} s: {deadline.used():.1f} s are over, {deadline.reserve_seconds:.1f} s are "
        f"kept for evaluation and export, and {length.seconds:.1f} s are left to train about {length.steps} steps"
        f"{fitted}"
    )
