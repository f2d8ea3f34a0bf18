"""`retort jobs | watch | cancel | pause | resume | retry | change | delete`: jobs that exist."""

from typing import Annotated

import typer

from retort import job_body, output, progress, units
from retort.commands.options import DEFAULT, AsJson, JobId, Url, connect
from retort.description import stage_of, student_of
from retort.models import JobView
from retort.tables import Column, show_table

COLUMNS = (
    Column("job"),
    Column("state"),
    Column("student", narrow="cut"),
    Column("method", narrow="cut"),
    Column("name", narrow="cut"),
    Column("age", right=True),
)


def jobs(
    state: Annotated[list[str], typer.Option("--state", help="only jobs in this state; may be repeated")] = [],  # noqa: B006
    label: Annotated[list[str], typer.Option("--label", help="only jobs with this key=value; may be repeated")] = [],  # noqa: B006
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many, newest first")] = 20,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connect(url) as retort:
        views = list(retort.jobs(states=state, labels=job_body.pairs(label, "--label"), limit=limit))
    if as_json:
        output.machine(views)
    else:
        show_table(COLUMNS, [_row(job) for job in views])


def watch(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Show a job until it is done. Exits 0 if it succeeded, 1 if it failed, 5 if it was cancelled."""
    with connect(url) as retort:
        progress.watch(retort.job(job_id), as_json=as_json)


def cancel(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Ask a job to end."""
    with connect(url) as retort:
        _show_state(retort.job(job_id).cancel().view, as_json)


def pause(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Pause a job: a running one writes a checkpoint first."""
    with connect(url) as retort:
        _show_state(retort.job(job_id).pause().view, as_json)


def resume(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Queue a paused job again; it goes on from its checkpoint."""
    with connect(url) as retort:
        _show_state(retort.job(job_id).resume().view, as_json)


def retry(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Queue a failed or cancelled job again."""
    with connect(url) as retort:
        _show_state(retort.job(job_id).retry().view, as_json)


def change(
    job_id: JobId,
    priority: Annotated[int | None, typer.Option(help="-100 to 100; higher runs first", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="a new name", show_default=False)] = None,
    label: Annotated[list[str], typer.Option("--label", help="set a label, as key=value; may be repeated")] = [],  # noqa: B006
    without: Annotated[list[str], typer.Option("--without", help="remove a label by its key; may be repeated")] = [],  # noqa: B006
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Change the name and labels of a job, or the priority of one that waits."""
    labels: dict[str, str | None] = {**dict.fromkeys(without), **job_body.pairs(label, "--label")}
    with connect(url) as retort:
        changed = retort.job(job_id).change(name=name, labels=labels or None, priority=priority).view
    output.machine(changed) if as_json else output.line(f"{changed['id']} priority {changed['priority']}")


def delete(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Remove an ended job with its metrics and files."""
    with connect(url) as retort:
        retort.job(job_id).delete()
    output.machine({"id": job_id, "deleted": True}) if as_json else output.line(f"{job_id} deleted")


def _row(job: JobView) -> tuple[str, ...]:
    student, method = student_of(job).partition("/")[2] or student_of(job), job["summary"]["method"]
    return job["id"], stage_of(job), student, method, job["name"], units.age(job["created_at"])


def _show_state(job: JobView, as_json: bool) -> None:
    output.machine(job) if as_json else output.line(f"{job['id']} {job['state']}")
