"""The plan of a job: the resolved spec, the dataset's facts, the student, and an estimate of time and memory."""

import resource

import torch

from core.events import Estimate, Resolved
from core.job import PreparedRun
from core.methods.method import Method
from core.networks.facts import measure_network
from core.planning.timing import time_steps
from core.training.build import build_method, run_cost
from core.training.inputs import PreparedJob


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
        estimate=_planned(job, run) or (_measured(job, run, method) if measured else _counted(job, run)),
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


def _planned(job: PreparedJob, run: PreparedRun) -> Estimate | None:
    """What a job with a deadline trains within it; None without a deadline."""
    if run.length is None:
        return None
    return Estimate(
        steps=run.steps,
        training_seconds=run.length.seconds,
        memory_bytes=_peak_memory(job.arithmetic.device),
        reason=f"{_reason(run)}; the deadline of {run.training.deadline_seconds:g} s leaves {run.length.seconds:.0f} s "
        f"for training, in which steps of {run.length.step_seconds * 1e3:.1f} ms fit {run.steps} times",
    )


def _all_steps(job: PreparedJob) -> int:
    return sum(run.steps for run in job.trainings)


def _measured(job: PreparedJob, run: PreparedRun, method: Method) -> Estimate:
    """Measure the time of the student's steps; the time of the baselines is scaled by their operations."""
    timed = time_steps(job, run, method)
    cost, _ = run_cost(job, run)
    work = sum(its_cost * steps for its_cost, steps in (run_cost(job, each) for each in job.trainings))
    return Estimate(
        steps=_all_steps(job),
        training_seconds=timed.seconds / cost * work,
        memory_bytes=_peak_memory(job.arithmetic.device),
        reason=f"{_reason(run)}; {timed.count} steps were timed at {timed.seconds * 1e3:.1f} ms each on "
        f"{job.arithmetic.device.type}",
    )


def _reason(run: PreparedRun) -> str:
    return f"{run.reason}; it begins with {run.beginning}"


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
