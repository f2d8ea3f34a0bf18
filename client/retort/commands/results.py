"""`retort show | metrics | logs | compare`: what is known of a job, and what came of it."""

from typing import Annotated

import typer

from retort import output, progress, units
from retort.commands.options import DEFAULT, AsJson, JobId, Url, connect
from retort.comparison import Network, comparison_facts, networks
from retort.description import job_facts
from retort.models import EventView, LogView
from retort.sync import Job
from retort.tables import Column, show_table

NETWORKS = (
    Column("network", narrow="cut"),
    Column("architecture", narrow="cut"),
    Column("top-1", right=True),
    Column("95% interval", right=True),
    Column("params", right=True),
    Column("latency", right=True),
)


def show(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Show one job."""
    with connect(url) as retort:
        job = retort.job(job_id).view
    if as_json:
        output.machine(job)
        return
    output.facts(job_facts(job))
    for warning in job.get("warnings") or []:
        for text in progress.warning_lines(warning):
            output.paragraph(text)


def metrics(
    job_id: JobId,
    name: Annotated[list[str], typer.Option("--name", help="such as val/top1; may be repeated")] = [],  # noqa: B006
    since_step: Annotated[int | None, typer.Option(min=0, help="only points after this step")] = None,
    max_points: Annotated[int | None, typer.Option(min=2, help="at most so many points for each name")] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print the curves of a job. Lines of name, step, value; --json: {name: [[step, value, time], ...]}."""
    with connect(url) as retort:
        series = retort.job(job_id).metrics(name, since_step=since_step, max_points=max_points)
    if as_json:
        output.machine(series)
        return
    for metric, points in series.items():
        for step, value, _ in points:
            output.record(metric, step, value)


def logs(
    job_id: JobId,
    attempt: Annotated[int | None, typer.Option(min=0, help="only lines of this attempt")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until the job is done")] = False,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print the log of a job; --json: one JSON object a line."""
    with connect(url) as retort:
        job = retort.job(job_id)
        last = 0
        for line in job.logs(attempt=attempt):
            last = line["seq"]
            _show_line(line, as_json)
        if follow:
            _follow(job, last, attempt, as_json)


def compare(
    job_ids: Annotated[list[str], typer.Argument(help="ids of jobs that have succeeded", show_default=False)],
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Compare networks on the test split. Of one job its student, teacher and baselines; of several their students.

    Accuracies are comparable where the jobs have the same test images. Latency: median of one image on one CPU thread.
    """
    with connect(url) as retort:
        jobs = [retort.job(job_id).view for job_id in job_ids]
    for job in jobs:
        if not job["result"]:
            raise ValueError(f"{job['id']} is {job['state']}; only a job that has succeeded can be compared")
    found = networks(jobs[0]) if len(jobs) == 1 else [networks(job)[0] for job in jobs]
    if as_json:
        output.machine(found)
    elif len(jobs) == 1:
        show_table(NETWORKS, [(one["network"], one["architecture"], *_figures(one)) for one in found])
    else:
        names = [name for name, _ in comparison_facts(jobs[0], found[0])]
        columns = [[value for _, value in comparison_facts(job, one)] for job, one in zip(jobs, found, strict=True)]
        header = [Column(""), *(Column(job["id"], narrow="fold") for job in jobs)]
        show_table(header, list(zip(names, *columns, strict=True)))


def _follow(job: Job, after: int, attempt: int | None, as_json: bool) -> None:
    for event in job.events(str(after) if after else None):
        if event.type == "log" and attempt in (None, event.data["attempt"]):
            _show_line(_log_of(event.data), as_json)


def _log_of(event: EventView) -> LogView:
    """The log line that an event of the kind `log` carries."""
    told = event["data"]
    return {
        "seq": event["seq"],
        "attempt": event["attempt"],
        "level": told["level"],
        "message": told["message"],
        "at": event["at"],
    }


def _show_line(line: LogView, as_json: bool) -> None:
    if as_json:
        output.machine(line)
        return
    level = "" if line["level"] == "info" else f"{line['level']}: "
    for text in line["message"].splitlines() or [""]:
        output.facts([(units.local_time(line["at"]), level + text)])


def _figures(network: Network) -> tuple[str, ...]:
    return (
        units.percent(network["top1"]),
        units.interval(network["top1_interval"]),
        units.count(network["num_params"]),
        units.milliseconds(network["latency_ms"]),
    )
