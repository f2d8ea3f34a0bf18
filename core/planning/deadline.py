"""Plans the length of a training for `training.deadline_seconds`, from the times of a few real steps.

The number of steps, the stored teacher pass and the fitted classifier follow from the time that is left for training.
While the job trains, core.training.pace replaces this plan's times by the real ones.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from core.errors import SpecInvalid
from core.events import Event, Log
from core.job import Length, PreparedRun
from core.networks.network import Network
from core.planning.defaults import FEW_PASSES
from core.planning.reserve import reserve_for
from core.planning.strategy import AUTO_VIEWS, EPOCHS_PER_VIEW, live_reason
from core.planning.timing import MEASURED_SECONDS, StepTime, time_few_images
from core.spec import JobSpec, TrainingSpec
from core.spec.pruned import split_pruned
from core.system.deadline import Deadline
from core.system.device import images_at_once
from core.system.distributed import Ranks
from core.training.build import build_method
from core.training.inputs import PreparedJob
from core.training.timed import FORWARD, TEACHER_SHARE

MEASURED_SHARE = 0.03  # of the deadline, for timing steps
MAX_EPOCHS = 100_000
FIT_SHARE = 0.3
"""A classifier is fitted before the training if that takes at most this share of the time for training."""
ADAPT_SHARE = 0.25
"""A teacher of other classes gets a classifier of its own unasked if that takes at most this share of the time."""
PRUNING = 3.0  # times the fit of a classifier: passes of the whole network over the training images
FIT_SECONDS = 0.5  # of the logistic regression, besides the forward pass
LEAST_EPOCHS = 1  # from random weights: less would not be worth publishing


def plan_length(
    job: PreparedJob, deadline: Deadline, report: Callable[[Event], None], *, is_first: bool, plan_only: bool
) -> Length:
    """The length of the student's training within the deadline.

    Raises SpecInvalid, with the smallest deadline that could work, where the time is too short for any network; not for
    a job that goes on (not `is_first`), which publishes what it has.
    """
    run = job.student
    method = build_method(run, job.teachers, job.arithmetic, job.workspace)  # its weights change
    timed = time_few_images(job, run, method, min(MEASURED_SECONDS, MEASURED_SHARE * deadline.seconds))
    reserve, publish = reserve_for(job, method.deployed(), timed)
    left = job.workspace.ranks.largest(round(1000 * (deadline.left() - reserve))) / 1000  # all ranks plan the same
    if plan_only and run.spec.teacher is not None and run.spec.teacher.adapt == "head":
        left -= _steps_per_epoch(run) * timed.teacher_seconds  # a plan fits no classifier
    begins_at_random = run.spec.student.weights is None
    fit = _steps_per_epoch(run) * timed.student_seconds * FORWARD + FIT_SECONDS
    if split_pruned(run.spec.student.architecture)[1] is not None:
        left -= PRUNING * fit
    least = LEAST_EPOCHS * _steps_per_epoch(run) * timed.seconds if begins_at_random else 2 * fit
    if is_first and left < least:
        _refuse(deadline, reserve, deadline.seconds - left + least)
    asked = run.run.spec.student.classifier
    is_cheap = 2 * fit <= FIT_SHARE * left or left < 2 * fit + timed.seconds
    is_useful = run.spec.method.keeps_classifier and not begins_at_random
    fits = asked == "fitted" or (asked == "auto" and is_cheap and is_useful)
    if fits:  # before the training, and once more for the network that it ends with
        reserve, left = reserve + fit, left - 2 * fit
    seconds = max(left, 0.0)
    if run.spec.teacher is not None and run.spec.teacher.adapt == "full":
        seconds *= 1 - TEACHER_SHARE
    can_store = not live_reason(run.training, method)
    steps, views = _steps_and_views(run, timed, seconds, can_store=can_store)
    length = Length(
        steps=steps,
        epochs=math.ceil(steps / _steps_per_epoch(run)),
        views=views if run.run.spec.training.stored_views == "auto" else 0,
        step_seconds=timed.student_seconds if views else timed.seconds,
        most_steps=_limit(run),
        seconds=seconds,
        reserve_seconds=reserve,
        publish_seconds=publish,
        adapts_teacher=run.spec.teacher is not None and run.spec.teacher.adapt != "none",
        fits_classifier=fits,
    )
    report(Log(message=_told(deadline, length)))
    return length


def with_length(spec: JobSpec, length: Length) -> JobSpec:
    """The job with the planned length in place of its own."""
    filled: dict[str, object] = {"epochs": length.epochs, "max_steps": length.steps}
    if length.views:
        filled["stored_views"] = length.views
    return spec.model_copy(update={"training": spec.training.model_copy(update=filled)})


def has_time_to_fit(
    network: Network, num_images: int, ranks: Ranks, deadline: Deadline | None, length: Length | None
) -> bool:
    """Whether a forward pass over the training images takes at most ADAPT_SHARE of what is left of the deadline.

    What an earlier attempt decided (`length`) stays. Several ranks do not measure, since each would find another time.
    """
    if length is not None:
        return length.adapts_teacher
    if deadline is None or ranks.size > 1:
        return True
    size, device = network.input.size, next(network.parameters()).device
    count = images_at_once(size, device)
    with torch.no_grad():
        views = torch.zeros(count, 3, size, size, device=device)
        network(views)
        began = time.perf_counter()
        network(views)
    return (time.perf_counter() - began) / count * num_images <= ADAPT_SHARE * deadline.left()


def with_fitted_classifier(run: PreparedRun, length: Length) -> PreparedRun:
    """The student's run with its length, and with a classifier that is fitted before the training or not, as that
    says.
    """
    run = replace(run, length=length)
    student = run.spec.student.model_copy(update={"classifier": "fitted" if length.fits_classifier else "initial"})
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


def _steps_and_views(run: PreparedRun, timed: StepTime, seconds: float, *, can_store: bool) -> tuple[int, int]:
    asked, per_epoch = run.run.spec.training, _steps_per_epoch(run)
    most_views = _most_views(asked, run.training.augmentation) if can_store else 0
    steps, views = steps_within(seconds, timed, steps_per_epoch=per_epoch, most_views=most_views)
    if asked.augmentation == "auto" and steps <= FEW_PASSES * per_epoch:  # not augmented: all views are the same
        steps, views = steps_within(seconds, timed, steps_per_epoch=per_epoch, most_views=min(most_views, 1))
    return max(1, min(steps, MAX_EPOCHS * per_epoch, _limit(run) or steps)), views


def _most_views(asked: TrainingSpec, augmentation: str) -> int:
    if asked.teacher_pass == "live":
        return 0
    if asked.stored_views != "auto":
        return asked.stored_views
    return AUTO_VIEWS if augmentation != "none" else 1


def _limit(run: PreparedRun) -> int | None:
    """The steps that the job allows at most."""
    asked = run.run.spec.training
    limits = [] if asked.epochs == "auto" else [asked.epochs * _steps_per_epoch(run)]
    limits += [] if asked.max_steps is None else [asked.max_steps]
    return min(limits, default=None)


def _steps_per_epoch(run: PreparedRun) -> int:
    return max(len(run.dataset.train.labels) // run.training.batch_size, 1)


def _refuse(deadline: Deadline, reserve: float, smallest: float) -> None:
    detail = (
        f"{deadline.seconds:g} s are too short here: {deadline.used():.1f} s have gone into preparing the job, and "
        f"evaluation and export need about {reserve:.1f} s; allowed: at least {math.ceil(smallest)}"
    )
    raise SpecInvalid([("/training/deadline_seconds", detail)])


def _told(deadline: Deadline, length: Length) -> str:
    fitted = ", after its classifier is fitted to its features" if length.fits_classifier else ""
    return (
        f"deadline of {deadline.seconds:g} s: {deadline.used():.1f} s are over, {length.reserve_seconds:.1f} s are "
        f"kept for evaluation and export, and {length.seconds:.1f} s are left to train about {length.steps} steps"
        f"{fitted}"
    )
