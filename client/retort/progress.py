"""Shows a job while it runs: a bar with the latest metrics on a terminal, plain lines elsewhere, or JSON lines."""

import time
from typing import Protocol

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from retort import output
from retort.errors import RetortError
from retort.models import JobView
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


class Bar:
    """A live progress bar, for a terminal."""

    def __init__(self) -> None:
        text = TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn()
        facts = TextColumn("{task.fields[facts]}", table_column=Column(no_wrap=True, overflow="ellipsis"))
        self._progress = Progress(*text, TimeElapsedColumn(), facts, console=output.people)
        self._task = self._progress.add_task("", total=1.0, facts="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, job: JobView, metrics: dict[str, float]) -> None:
        """Move the bar."""
        state = job["phase"] if job["state"] == "running" and job["phase"] else job["state"]
        done = (
            1.0 if job["state"] == "succeeded" else (job["progress"].get("fraction") or 0.0) if job["progress"] else 0.0
        )
        said = "  ".join(_facts(job, metrics))
        self._progress.update(self._task, description=f"{state:<10}", completed=done, facts=said)


class Lines:
    """One line for each phase, and every few seconds while training, for logs and pipes."""

    def __init__(self) -> None:
        self._said: tuple[str, str | None, str | None] | None = None
        self._said_at = 0.0

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, job: JobView, metrics: dict[str, float]) -> None:
        """Write a line, if there is something new to say."""
        progress = job["progress"]
        stand = (job["state"], job["phase"], progress and progress.get("run"))
        now = time.monotonic()
        if stand == self._said and now - self._said_at < LINE_SECONDS:
            return
        self._said, self._said_at = stand, now
        where = f"{job['state']}" + (f", {job['phase']}" if job["phase"] and not job["done"] else "")
        share = output.percent(progress.get("fraction")) if progress and not job["done"] else ""
        line = "  ".join(part for part in (f"{job['id']}  {where}", share, *_facts(job, metrics)) if part)
        output.people.print(line, soft_wrap=True, markup=False)


class JsonLines:
    """One JSON object for each change of the job."""

    def __enter__(self) -> "JsonLines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, job: JobView, metrics: dict[str, float]) -> None:
        """Write the job with its latest metrics."""
        output.machine({**job, "latest_metrics": metrics})


def watch(job: Job, *, as_json: bool = False) -> JobView:
    """Show the job until it is done; its last view. Raises JobFailed, JobCancelled."""
    view: View = JsonLines() if as_json else Bar() if output.people.is_terminal else Lines()
    latest: dict[str, float] = {}
    read_at = 0.0

    def show(now: JobView) -> None:
        nonlocal latest, read_at
        if now["done"] or time.monotonic() - read_at >= METRICS_SECONDS:
            latest, read_at = last_values(job), time.monotonic()
        shown.show(now, latest)

    with view as shown:
        return job.wait(on_progress=show)


def last_values(job: Job) -> dict[str, float]:
    """The last value of each metric; empty where the service cannot say just now."""
    try:
        series = job.metrics(max_points=2)
    except RetortError:
        return {}
    return {name: points[-1][1] for name, points in series.items() if points and points[-1][1] is not None}


def _facts(job: JobView, metrics: dict[str, float]) -> list[str]:
    progress = None if job["done"] else job["progress"]
    facts = []
    if progress and progress.get("epochs"):
        facts.append(f"{progress.get('run') or ''} epoch {progress['epoch']}/{progress.get('epochs')}".strip())
    run = (progress and progress.get("run")) or ""
    prefix = f"{run}/" if run.startswith("baseline/") else ""
    facts += [f"{name} {metrics[prefix + name]:.3g}" for name in SHOWN if prefix + name in metrics]
    if progress and progress.get("eta_seconds") is not None:
        facts.append(f"{progress.get('eta_seconds'):.0f} s left")
    return facts
