"""`retort download`: the artifacts of a job."""

from pathlib import Path
from typing import Annotated

import typer

from retort import output
from retort.commands.options import DEFAULT, AsJson, JobId, Url, connect


def download(
    job_id: JobId,
    names: Annotated[
        list[str] | None, typer.Argument(help="artifacts, such as model.onnx; all where none is named")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--to", help="folder; by default one named like the job")] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Fetch the files of a job; each is checked by sha256, and one that broke off goes on where it ended."""
    with connect(url) as retort:
        paths = retort.job(job_id).download(folder or Path(job_id), names or ())
    if as_json:
        output.machine([{"path": str(path), "size_bytes": path.stat().st_size} for path in paths])
        return
    for path in paths:
        print(path)
