"""`retort artifacts | download`: the files of a job."""

from pathlib import Path
from typing import Annotated

import typer

from retort import output, units
from retort.commands.options import DEFAULT, AsJson, JobId, Url, connect
from retort.errors import JobCancelled, JobFailed, RetortError
from retort.models import JobView
from retort.tables import Column, show_table

COLUMNS = (Column("name", narrow="fold"), Column("size", right=True), Column("type", narrow="cut"), Column("created"))


class NoFiles(RetortError):
    """The job has no files yet."""

    exit_code = 4


def artifacts(job_id: JobId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the files of a job."""
    with connect(url) as retort:
        found = retort.job(job_id).artifacts()
    if as_json:
        output.machine(found)
        return
    rows = [
        (one["name"], units.size(one["size_bytes"]), one["media_type"], units.local_time(one["created_at"]))
        for one in found
    ]
    show_table(COLUMNS, rows)


def download(
    job_id: JobId,
    names: Annotated[
        list[str] | None, typer.Argument(help="artifacts, such as model.onnx; all where none is named")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--to", help="folder; by default one named like the job")] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Fetch the files of a job. Each is checked by sha256, and one that broke off goes on where it ended."""
    with connect(url) as retort:
        job = retort.job(job_id)
        if job.state != "succeeded" and not job.artifacts():
            raise _without_files(job.view)
        paths = job.download(folder or Path(job_id), names or ())
    if job.state != "succeeded":
        output.notice(f"retort: {job_id} is {job.state}: these are not the files of a whole job")
    if as_json:
        output.machine([{"path": str(path), "size_bytes": path.stat().st_size} for path in paths])
        return
    for path in paths:
        output.line(str(path))


def _without_files(job: JobView) -> RetortError:
    """Why there is nothing to download."""
    if job["state"] == "failed":
        return JobFailed(job)
    if job["state"] == "cancelled":
        return JobCancelled(job)
    hint = f"`retort watch {job['id']}` shows when it is done"
    return NoFiles(f"{job['id']} is {job['state']} and has no files yet", hint=hint)
