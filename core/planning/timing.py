"""Times a few real steps of a training and discards them."""

import time
from dataclasses import dataclass, replace

from core.job import PreparedRun
from core.methods.method import Method
from core.system.device import images_at_once
from core.training.build import build_trainer
from core.training.inputs import PreparedJob
from core.training.trainer import Trainer

WARM_UP_STEPS = {"cpu": 1, "cuda": 3}  # CUDA graphs are recorded in the second
MEASURED_SECONDS = 2.0
MAX_STEPS = 20
TEACHER_BATCHES = 2


@dataclass(frozen=True)
class StepTime:
    """The mean time of a step with a live teacher."""

    seconds: float
    teacher_seconds: float
    """Of these, the frozen teacher's; 0 where the method runs none."""
    count: int
    """Steps that were timed."""

    @property
    def student_seconds(self) -> float:
        """A step with a stored teacher pass."""
        return max(self.seconds - self.teacher_seconds, 0.1 * self.seconds)


def time_steps(job: PreparedJob, run: PreparedRun, method: Method, seconds: float = MEASURED_SECONDS) -> StepTime:
    """Train for about `seconds` and at most MAX_STEPS steps. Changes the weights of the method's networks."""
    started: list[float] = []
    warm_up_steps = WARM_UP_STEPS[job.arithmetic.device.type]

    def after_step(trainer: Trainer) -> None:
        job.arithmetic.wait()
        now = time.perf_counter()
        if trainer.step == warm_up_steps:
            started.append(now)
        enough = started and (now - started[0] > seconds or trainer.step >= MAX_STEPS)
        # All ranks stop at the same step, or some would wait for others.
        trainer.stopped = job.workspace.ranks.any(bool(enough) and trainer.step > warm_up_steps)

    trainer = build_trainer(job, run, method, lambda step, values: None, after_step)
    trainer.run()
    count = max(trainer.step - warm_up_steps, 1)
    begin = started[0] if started else time.perf_counter() - trainer.seconds
    mean = (time.perf_counter() - begin) / count
    largest = job.workspace.ranks.largest
    teacher = min(_time_teacher(job, trainer), 0.9 * mean)
    return StepTime(largest(round(1e6 * mean)) / 1e6, largest(round(1e6 * teacher)) / 1e6, count)


def time_few_images(job: PreparedJob, run: PreparedRun, method: Method, seconds: float) -> StepTime:
    """The same from steps of fewer images, where a batch of large images would take long: time is taken to grow with
    the number of images.
    """
    batch_size = run.training.batch_size
    few = min(batch_size, images_at_once(run.training.image_size, job.arithmetic.device))
    training = run.training.model_copy(update={"batch_size": few, "micro_batch_size": few})
    timed = time_steps(job, replace(run, spec=run.spec.model_copy(update={"training": training})), method, seconds)
    scale = batch_size / few
    return StepTime(timed.seconds * scale, timed.teacher_seconds * scale, timed.count)


def _time_teacher(job: PreparedJob, trainer: Trainer) -> float:
    """Seconds of the frozen teachers for one batch, which they have seen before."""
    if not trainer.method.needs.teacher_output:
        return 0.0
    batch = replace(trainer.batches.live.batch(0), teacher=None)
    job.arithmetic.wait()
    began = time.perf_counter()
    for _ in range(TEACHER_BATCHES):
        trainer.teachers.complete(batch)
    job.arithmetic.wait()
    return (time.perf_counter() - began) / TEACHER_BATCHES
