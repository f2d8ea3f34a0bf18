"""`retort upload`, and `retort datasets list | delete`: images that are uploaded once and named by jobs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from retort import output, units
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.models import DatasetView
from retort.sync import Retort
from retort.tables import Column, show_table

datasets = typer.Typer(name="datasets", help="Images that were uploaded; jobs name them.", no_args_is_help=True)
COLUMNS = (
    Column("dataset", narrow="fold"),
    Column("name", narrow="cut"),
    Column("size", right=True),
    Column("state"),
    Column("uploaded", right=True),
)
DatasetId = Annotated[str, typer.Argument(help="id of a dataset, such as ds_01J...", show_default=False)]


def upload(
    path: Annotated[Path, typer.Argument(help="an archive, or a folder of images", show_default=False)],
    name: Annotated[str | None, typer.Option(help="for people; by default that of the file or folder")] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Upload an archive or a folder of images. The line that it prints is what a job names as its dataset.

    One that broke off goes on where it ended: give the same command again. What is there already is not sent twice.
    """
    with connect(url) as retort:
        dataset = retort.upload(path, name=name) if as_json else _shown(retort, path, name)
    if as_json:
        output.machine(dataset)
    else:
        output.line(dataset["uri"])


def _shown(retort: Retort, path: Path, name: str | None) -> DatasetView:
    """Upload with a bar on standard error, where that is a terminal."""
    columns = (TextColumn("uploading"), BarColumn(bar_width=None), DownloadColumn(binary_units=True))
    with Progress(
        *columns,
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        expand=True,
    ) as progress:
        task = progress.add_task("", total=None)
        return retort.upload(
            path, name=name, on_bytes=lambda sent, size: progress.update(task, completed=sent, total=size)
        )


@datasets.command("list")
def list_datasets(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the uploaded datasets, the newest first."""
    with connect(url) as retort:
        found = list(retort.datasets())
    if as_json:
        output.machine(found)
    else:
        show_table(COLUMNS, [_row(one) for one in found])


@datasets.command("delete")
def delete_dataset(dataset_id: DatasetId, url: Url = DEFAULT) -> None:
    """Delete a dataset. One that a job needs, which has not ended, is kept."""
    with connect(url) as retort:
        retort.delete_dataset(dataset_id)
    output.line(f"{dataset_id} deleted")


def _row(dataset: DatasetView) -> tuple[str, ...]:
    whole, there = dataset["size_bytes"], dataset["received_bytes"]
    state = dataset["state"] if there == whole else f"{there / whole:.0%} uploaded"
    return dataset["uri"], dataset["name"], units.size(whole), state, units.age(dataset["created_at"])
