"""The story of a job, from the spec to the files: dataset, teacher, student, train, evaluate, export."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from core.events import Event, Log, Phase, Result
from core.planning.estimate import describe, summary
from core.planning.prepare import Place, prepare
from core.planning.strategy import settle
from core.results.assess import assess, assess_teacher, with_latencies
from core.results.latencies import Latencies
from core.results.publish import publish
from core.spec import JobSpec
from core.system.affinity import pinned
from core.system.interruption import Watch
from core.training.runs import train_all

Report = Callable[[Event], None]


def specialize(
    spec: JobSpec,
    place: Place,
    report: Report,
    *,
    watch: Watch | None = None,
    resume: bool = False,
    plan_only: bool = False,
) -> Result | None:
    """Run a job: files under `place.out`, events to `report`. A plan stops before training and returns None.

    With `resume`, the newest checkpoint in `place.out` is gone on from. Raises a RetortError for what a job can fail
    of, and core.system.interruption.Interrupted where `watch` was asked to stop, after a checkpoint.
    """
    watch = watch or Watch(spec.training.checkpoint_seconds, spec.training.max_runtime_seconds)
    report(Phase(phase="preparing"))
    prepared = settle(prepare(spec, place, report), place, report)
    resolved = describe(prepared, place, measured=plan_only)
    report(Log(message=summary(resolved)))
    report(resolved)
    if plan_only:
        return None

    report(Phase(phase="training"))
    with watch.deferring(), pinned():
        trained = train_all(prepared, place, report, watch, resume=resume)

    if not place.ranks.is_first:  # the first process evaluates and exports for all
        return None
    watch.check_deadline()
    with tempfile.TemporaryDirectory() as scratch:
        latencies = Latencies(Path(scratch), place.findings)
        report(Phase(phase="evaluating"))
        assessments = {}
        for run in prepared.runs:
            assessments[run.run.name] = assessed = assess(prepared, run, trained[run.run.name], latencies)
            top1 = assessed.figures["test"]["top1"]
            report(Log(message=f"{run.run.name}: {top1:.1%} of the test images are right"))
        assessments, teacher = with_latencies(assessments, assess_teacher(prepared, latencies), latencies)

        watch.check_deadline()
        report(Phase(phase="exporting"))
        return publish(prepared, trained, assessments, teacher, place, report, latencies)
