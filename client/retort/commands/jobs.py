"""Commands about jobs that exist: jobs, show, watch, cancel, retry, delete, metrics."""

from typing import Annotated, Any

import typer

from retort import job_body, output, progress
from retort.commands.options import DEFAULT, AsJson, JobId, Url, connect
from retort.models import JobView, NetworkView


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
        return
    rows = [
        (
            job["id"],
            _standing(job),
            _students(job),
            output.method(job["spec"]["method"]),
            job["name"],
            output.age(job["created_at"]),
        )
        for job in views
    ]
    output.table(["job", "state", "student", "method", "name", "age"], rows, right=["age"])


def show(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Show one job."""
    with connect(url) as retort:
        job = retort.job(job_id).view
    output.machine(job) if as_json else _show(job)


def watch(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Show a job until it is done; exits 0 if it succeeded, 1 if it failed, 5 if it was cancelled."""
    with connect(url) as retort:
        progress.watch(retort.job(job_id), as_json=as_json)


def cancel(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Ask a job to end."""
    with connect(url) as retort:
        _moved(retort.job(job_id).cancel().view, as_json)


def retry(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Queue a failed or cancelled job again."""
    with connect(url) as retort:
        _moved(retort.job(job_id).retry().view, as_json)


def delete(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Remove an ended job with its metrics and files."""
    with connect(url) as retort:
        retort.job(job_id).delete()
    output.machine({"id": job_id, "deleted": True}) if as_json else print(f"{job_id} deleted")


def metrics(
    job_id: JobId,
    name: Annotated[list[str], typer.Option("--name", help="such as val/top1; may be repeated")] = [],  # noqa: B006
    since_step: Annotated[int | None, typer.Option(min=0, help="only points after this step")] = None,
    max_points: Annotated[int | None, typer.Option(min=2, help="at most so many points for each name")] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print the curves of a job as lines of name, step, value; --json: {name: [[step, value, time], ...]}."""
    with connect(url) as retort:
        series = retort.job(job_id).metrics(name, since_step=since_step, max_points=max_points)
    if as_json:
        output.machine(series)
        return
    for metric, points in series.items():
        for step, value, _ in points:
            print(f"{metric}\t{step}\t{value}")


def _moved(job: JobView, as_json: bool) -> None:
    output.machine(job) if as_json else print(f"{job['id']} {job['state']}")


def _standing(job: JobView) -> str:
    if job["state"] != "running":
        return job["state"]
    return f"{job['phase'] or 'running'} {output.percent(job['progress'] and job['progress']['fraction'])}"


def _queue_position(job: JobView) -> str | None:
    queue, devices = job["queue"], job["spec"]["training"]["devices"]
    if queue is None:
        return None
    why = "" if queue["eligible_workers"] else f"; no worker alive runs {devices}"
    return f"{queue['position']}{why}"


def _students(job: JobView) -> str:
    if job["student"]:
        return job["student"]["architecture"]
    asked = job["spec"]["student"]
    return (asked.get("architecture") or asked.get("size") or "budget") if isinstance(asked, dict) else asked


def _show(job: JobView) -> None:
    spec, student, error = job["spec"], job["student"], job["error"]
    teacher = spec.get("teacher") or {}
    output.facts(
        [
            ("job", job["id"]),
            ("name", job["name"]),
            ("state", _standing(job)),
            ("queue position", _queue_position(job)),
            ("error", error and f"{error['message']} [{error['code']}]"),
            ("hint", error and error["hint"]),
            ("teacher", _teacher(teacher)),
            ("more teachers", ", ".join(_teacher(each) for each in spec.get("more_teachers") or ())),
            ("dataset", spec["dataset"]["uri"]),
            ("target domain", spec["dataset"].get("target_uri")),
            ("method", output.method(spec["method"])),
            ("student", student and _size(student)),
            ("test/top1", _top1(_split(job, "test"))),
            ("target/top1", _top1(_split(job, "target"))),
            ("attempts", len(job["attempts"])),
            ("created", job["created_at"]),
            ("started", job["started_at"]),
            ("finished", job["finished_at"]),
        ]
    )


def _size(network: NetworkView) -> str:
    params, macs = output.count(network["num_params"]), output.count(network["macs"])
    return f"{network['architecture']} ({params} params, {macs} MACs)"


def _teacher(teacher: dict[str, Any]) -> str:
    return " ".join(filter(None, (teacher.get("architecture"), teacher.get("weights"))))


def _split(job: JobView, name: str) -> dict[str, Any]:
    """What the student's network got on a split; {} where that was not measured."""
    return ((job["result"] or {}).get("metrics") or {}).get(name) or {}


def _top1(measured: dict[str, Any]) -> str | None:
    if not measured:
        return None
    low, high = measured["top1_interval"]
    return f"{output.percent(measured['top1'])} ({output.percent(low)} to {output.percent(high)})"
