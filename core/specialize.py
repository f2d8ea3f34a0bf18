"""A job from first to last: dataset, teacher, student, training, evaluation, export."""

import math
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from core.events import Event, JobWarning, Log, Phase, Result, WarningIssued
from core.planning.estimate import describe, summary
from core.planning.prepare import prepare
from core.planning.reserve import AfterTraining
from core.planning.teachers import with_fine_tuned
from core.results.assess import assess, assess_teacher, with_latencies
from core.results.latencies import Latencies
from core.results.publish import publish
from core.spec import JobSpec
from core.system.affinity import pinned
from core.system.deadline import Deadline
from core.system.interruption import JobControl
from core.system.workspace import Workspace
from core.training.inputs import PreparedJob
from core.training.resuming import found_by, length_by, read_checkpoint
from core.training.runs import Trained, begin_training

Report = Callable[[Event], None]


class _WarningLog:
    """Passes events on to `report` and keeps the warnings among them, which belong to the job's report."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.warnings: list[JobWarning] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, WarningIssued):
            self.warnings.append(event.warning)
        self._report(event)


def specialize(
    spec: JobSpec,
    workspace: Workspace,
    report: Report,
    *,
    control: JobControl | None = None,
    resume: bool = False,
    plan_only: bool = False,
    on_inputs: Callable[[], str | None] | None = None,
) -> Result | None:
    """Run a job: files under `workspace.out`, events to `report`. A plan stops before training and returns None.

    `on_inputs` is called when nothing more has to be fetched; a text that it returns is logged.

    With `resume`, it continues from the newest checkpoint in `workspace.out`. Raises a RetortError if the job fails,
    and core.system.interruption.Interrupted, after a checkpoint, if `control` was asked to stop.
    """
    control = control or JobControl.of(spec.training)
    report = issued = _WarningLog(report)
    report(Phase(phase="preparing"))
    begun = read_checkpoint(workspace.out, report) if resume else None
    job = prepare(
        spec, workspace, report, plan_only=plan_only, found=found_by(begun), control=control, length=length_by(begun)
    )
    resolved = describe(job, measured=plan_only)
    report(Log(message=summary(resolved)))
    report(resolved)
    if plan_only:
        return None

    if on_inputs is not None and (told := on_inputs()) is not None:
        report(Log(level="warning", message=told))
    report(Phase(phase="training"))
    with control.deferring(), pinned():
        training = begin_training(job, report, control, begun)
        if job.adaptation is not None:
            tuned = training.train_teacher(job.adaptation)
            training.job = job = with_fine_tuned(job, tuned.network, report)
        trained = training.train_runs()

    if not workspace.ranks.is_first:  # the first process evaluates and exports for all
        return None
    return _evaluate_and_publish(job, trained, report, control, issued.warnings)


def _evaluate_and_publish(
    job: PreparedJob, trained: dict[str, Trained], report: Report, control: JobControl, warnings: list[JobWarning]
) -> Result:
    control.check_deadline()
    clock = control.deadline or Deadline(math.inf, control.spent)
    after = AfterTraining(job, clock)
    with tempfile.TemporaryDirectory() as scratch:
        latencies = Latencies(Path(scratch), job.workspace.result_cache)
        report(Phase(phase="evaluating"))
        assessments = {}
        for run in job.runs:
            with nullcontext() if run is job.student else clock.apart():
                assessments[run.run.name] = assessed = assess(job, run, trained[run.run.name], latencies)
            top1 = assessed.figures["test"]["top1"]
            report(Log(message=f"{run.run.name}: {top1:.1%} of the test images are right"))
        teacher = assess_teacher(job, latencies)
        assessments, teacher = with_latencies(assessments, teacher, latencies, after.latency_seconds())
        after.latencies_measured()

        control.check_deadline()
        report(Phase(phase="exporting"))
        result = publish(job, trained, assessments, teacher, report, latencies, tuple(warnings), clock)
        after.keep()
        return result
