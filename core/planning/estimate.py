"""The plan of a job: the resolved spec, the dataset's facts, the student, and an estimate of time and memory."""

import resource
import time

import torch

from core.events import Estimate, Resolved
from core.job import PreparedRun
from core.methods.method import Method
from core.networks.facts import measure_network
from core.training.build import build_method, build_trainer, run_cost
from core.training.inputs import PreparedJob
from core.training.trainer import Trainer

WARM_UP_STEPS = {"cpu": 1, "cuda": 3}  # CUDA graphs are recorded in the second
MEASURED_SECONDS = 2.0
MAX_STEPS = 20


def describe(job: PreparedJob, *, measured: bool) -> Resolved:
    """The event that ends the preparing phase. With `measured`, a few real steps are timed and discarded."""
    run, teacher = job.student, job.teachers.network
    method = run.method or build_method(run, job.teachers, job.arithmetic, job.workspace)
    facts = measure_network(method.deployed())
    return Resolved(
        spec=run.spec.model_dump(mode="json"),
        dataset=run.dataset.facts,
        student=facts,
        teacher=measure_network(teacher) if teacher is not None else None,
        teacher_validation_top1=job.teachers.validation_top1,
        estimate=_measured(job, run, method) if measured else _counted(job, run),
    )


def summary(event: Resolved) -> str:
    """The event in a few lines for a person."""
    data, student = event.dataset, event.student
    lines = [
        f"{len(data.classes)} classes; {data.num_train} training, {data.num_validation} validation, "
        f"{data.num_test} test images",
        f"student {student.architecture}: {student.num_params:,} parameters, {student.macs:,} MACs; "
        f"{event.estimate.reason}",
    ]
    if event.teacher is not None:
        score = event.teacher_validation_top1
        known = (
            f"{score:.1%} on the validation split" if score is not None else "its classes do not cover the dataset's"
        )
        lines.append(f"teacher {event.teacher.architecture}: {event.teacher.num_params:,} parameters; {known}")
    if event.estimate.training_seconds is not None:
        lines.append(
            f"training would take about {event.estimate.training_seconds:.0f} s for {event.estimate.steps} steps"
        )
    return "\n".join(lines)


def _counted(job: PreparedJob, run: PreparedRun) -> Estimate:
    return Estimate(steps=_all_steps(job), reason=_reason(run))


def _all_steps(job: PreparedJob) -> int:
    return sum(run.steps for run in job.trainings)


def _measured(job: PreparedJob, run: PreparedRun, method: Method) -> Estimate:
    """Measure the time of the student's steps; the time of the baselines is scaled by their operations."""
    seconds, count = _time_steps(job, run, method)
    cost, _ = run_cost(job, run)
    work = sum(its_cost * steps for its_cost, steps in (run_cost(job, each) for each in job.trainings))
    return Estimate(
        steps=_all_steps(job),
        training_seconds=seconds / cost * work,
        memory_bytes=_peak_memory(job.arithmetic.device),
        reason=f"{_reason(run)}; {count} steps were timed at {seconds * 1e3:.1f} ms each on "
        f"{job.arithmetic.device.type}",
    )


def _reason(run: PreparedRun) -> str:
    return f"{run.reason}; it begins with {run.beginning}"


def _time_steps(job: PreparedJob, run: PreparedRun, method: Method) -> tuple[float, int]:
    """The mean seconds of a step, and the number of steps."""
    started: list[float] = []
    warm_up_steps = WARM_UP_STEPS[job.arithmetic.device.type]

    def after_step(trainer: Trainer) -> None:
        job.arithmetic.wait()
        now = time.perf_counter()
        if trainer.step == warm_up_steps:
            started.append(now)
        enough = started and (now - started[0] > MEASURED_SECONDS or trainer.step >= MAX_STEPS)
        trainer.stopped = bool(enough) and trainer.step > warm_up_steps

    trainer = build_trainer(job, run, method, lambda step, values: None, after_step)
    trainer.run()
    count = max(trainer.step - warm_up_steps, 1)
    begin = started[0] if started else time.perf_counter() - trainer.seconds
    return (time.perf_counter() - begin) / count, count


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
