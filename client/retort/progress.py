"""Shows a job while it runs: a bar with the latest metrics on a terminal, plain lines elsewhere, or JSON lines."""

import time
from typing import Protocol

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from retort import output, units
from retort.errors import RetortError
from retort.models import JobView, WarningView
from retort.sync import Job

# Metrics are read at most this often, and a plain line is written at most this often unless something else changed.
METRICS_SECONDS = 1.0
LINE_SECONDS = 5.0
SHOWN = ("train/loss", "train/top1", "val/top1", "val/teacher_agreement")


class View(Protocol):
    """Where the states of a job are shown."""

    def __enter__(self) -> "View": ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, job: JobView, metrics: dict[str, float]) -> None:
        """Show the job as it is now with the last value of each metric."""

    def warn(self, warning: WarningView) -> None:
        """Show a warning of the job; called once for each."""


class Bar:
    """For a terminal: a live progress bar, and below it a line with the latest figures."""

    def __init__(self) -> None:
        columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), TaskProgressColumn()
        self._progress = Progress(
            *columns, TimeElapsedColumn(), TextColumn("{task.fields[left]}", markup=False),
            console=output.people, expand=True,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=1.0, left="")
        self._figures = Text("", no_wrap=True, overflow="ellipsis")
        self._live = Live(Group(self._progress, self._figures), console=output.people, refresh_per_second=4)

    def __enter__(self) -> "Bar":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, job: JobView, metrics: dict[str, float]) -> None:
        """Move the bar."""
        description = f"{_stage(job):<10}"
        self._progress.update(self._task, description=description, completed=_fraction(job), left=_time_left(job))
        self._figures.plain = output.clean("  ".join(_figures(job, metrics)))
        self._live.refresh()

    def warn(self, warning: WarningView) -> None:
        """Print the warning above the bar."""
        for text in warning_lines(warning):
            self._live.console.print(text)


class Lines:
    """For logs and pipes: one line for each phase, and every few seconds while training."""

    def __init__(self) -> None:
        self._shown: tuple[str, str | None, str | None] | None = None
        self._shown_at = 0.0

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, job: JobView, metrics: dict[str, float]) -> None:
        """Write a line, if there is something new to tell."""
        now = time.monotonic()
        stage = (job["state"], job["phase"], _run(job))
        if stage == self._shown and now - self._shown_at < LINE_SECONDS:
            return
        self._shown, self._shown_at = stage, now
        where = job["state"] + (f", {job['phase']}" if job["phase"] and not job["done"] else "")
        share = units.percent(_fraction(job)) if job["progress"] and not job["done"] else ""
        parts = (f"{job['id']}  {where}", share, *_figures(job, metrics), _time_left(job))
        output.line("  ".join(part for part in parts if part))

    def warn(self, warning: WarningView) -> None:
        """Write the lines of the warning."""
        for text in warning_lines(warning):
            output.line(text)


class JsonLines:
    """For programs: one JSON object for each change of the job, which holds its warnings."""

    def __enter__(self) -> "JsonLines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, job: JobView, metrics: dict[str, float]) -> None:
        """Write the job with its latest metrics."""
        output.machine({**job, "latest_metrics": metrics})

    def warn(self, warning: WarningView) -> None:
        """Nothing: the job itself says it."""


def watch(job: Job, *, as_json: bool = False) -> JobView:
    """Show the job until it is done; its last view. Raises JobFailed, JobCancelled."""
    view: View = JsonLines() if as_json else Bar() if output.people.is_terminal else Lines()
    latest: dict[str, float] = {}
    read_at = 0.0
    warned = 0

    def show(now: JobView) -> None:
        nonlocal latest, read_at, warned
        if now["done"] or time.monotonic() - read_at >= METRICS_SECONDS:
            latest, read_at = last_values(job), time.monotonic()
        warnings = now.get("warnings") or []
        for warning in warnings[warned:]:
            shown.warn(warning)
        warned = len(warnings)
        shown.show(now, latest)

    with view as shown:
        return job.wait(on_progress=show)


def last_values(job: Job) -> dict[str, float]:
    """The last value of each metric; empty where the service cannot answer at the moment."""
    try:
        series = job.metrics(max_points=2)
    except RetortError:
        return {}
    return {name: points[-1][1] for name, points in series.items() if points and points[-1][1] is not None}


def warning_lines(warning: WarningView) -> list[str]:
    """A warning for people: what was found, and on a second line what can be done about it."""
    count = f", count {units.count(warning['count'])}" if (warning["count"] or 0) > 1 else ""
    text = f"warning: {warning['message']} [{warning['code']}{count}]"
    return [output.clean(text), *([output.clean(f"hint: {warning['hint']}")] if warning["hint"] else [])]


def _stage(job: JobView) -> str:
    return job["phase"] if job["state"] == "running" and job["phase"] else job["state"]


def _fraction(job: JobView) -> float:
    if job["state"] == "succeeded":
        return 1.0
    return (job["progress"].get("fraction") or 0.0) if job["progress"] else 0.0


def _run(job: JobView) -> str:
    """What is being trained: student, or baseline/<name>; empty where nothing is."""
    return (job["progress"].get("run") or "") if job["progress"] and not job["done"] else ""


def _time_left(job: JobView) -> str:
    seconds = job["progress"].get("eta_seconds") if job["progress"] and job["state"] == "running" else None
    if seconds is None or seconds < 1:
        return ""
    return f"{units.duration(seconds)} left" if seconds >= 60 else f"{seconds:.0f} s left"


def _figures(job: JobView, metrics: dict[str, float]) -> list[str]:
    figures = []
    run, progress = _run(job), job["progress"]
    if run and progress and progress.get("epochs"):
        figures.append(f"{run} epoch {progress['epoch']}/{progress['epochs']}")
    prefix = f"{run}/" if run.startswith("baseline/") else ""
    names = [name for name in SHOWN if prefix + name in metrics]
    return figures + [f"{name} {metrics[prefix + name]:.3g}" for name in names]
