"""`retort weights`: the shelf of published weights of the installation on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from retort import output, units
from retort.commands.options import AsJson
from retort.local.availability import require_service
from retort.tables import Column, show_table

COLUMNS = (
    Column("architecture", narrow="fold"),
    Column("params", right=True),
    Column("classes", right=True),
    Column("bytes", right=True),
    Column("added"),
    Column("from", narrow="fold"),
    Column("sha256", narrow="cut"),
)

app = typer.Typer(
    help="Published weights for installations without internet: teachers and students begin with them.",
    no_args_is_help=True,
)
Data = Annotated[Path, typer.Option(help="folder that holds everything, as in `retort up`")]
Place = Annotated[
    str | None,
    typer.Option(
        "--shelf",
        help="another shelf: a folder, or a bucket to list; default: RETORT_WEIGHTS_SHELF, else weights in --data",
        show_default=False,
    ),
]
Architecture = Annotated[str, typer.Argument(help="such as timm/mobilenetv3_small_100")]


@app.command()
def add(
    architecture: Architecture,
    file: Annotated[Path, typer.Argument(help="safetensors, or what torch.save wrote", exists=True)],
    by_order: Annotated[
        bool, typer.Option("--by-order", help="for renamed tensors: the first of the file for the first layer")
    ] = False,
    data: Data = Path("var"),
    shelf: Place = None,
    as_json: AsJson = False,
) -> None:
    """Check that a file fits an architecture, and put it on the shelf. It replaces what the architecture had."""
    settings = _settings(data)
    options = ["--by-order"] if by_order else []
    if settings["RETORT_PICKLED_WEIGHTS"] == "false":
        options.append("--no-pickles")
    added = _run("add", architecture, str(file), *options, shelf=shelf or settings["RETORT_WEIGHTS_SHELF"], data=data)
    if as_json:
        output.machine(added)
        return
    for warning in added["warnings"]:
        output.notice(f"warning: {warning}")
    output.line(f"{added['architecture']}: {units.count(added['num_params'])} parameters, sha256 {added['sha256']}")


@app.command("list")
def list_weights(data: Data = Path("var"), shelf: Place = None, as_json: AsJson = False) -> None:
    """List what is on the shelf."""
    rows = _run("list", shelf=shelf or _settings(data)["RETORT_WEIGHTS_SHELF"], data=data)
    output.machine(rows) if as_json else show_table(COLUMNS, [_row(row) for row in rows])


@app.command()
def remove(architecture: Architecture, data: Data = Path("var"), shelf: Place = None) -> None:
    """Take an architecture's weights off the shelf."""
    _run("remove", architecture, shelf=shelf or _settings(data)["RETORT_WEIGHTS_SHELF"], data=data)
    output.line(f"{architecture}: removed")


def _row(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        row["architecture"],
        units.count(row["num_params"]),
        row["num_classes"],
        units.size(row["size_bytes"]),
        row["added_at"][:10],
        row["source"],
        row["sha256"],
    )


def _settings(data: Path) -> dict[str, str]:
    """The service's settings by name, with this data folder; what it says about wrong ones is printed as it is."""
    require_service("`retort weights`")
    environment = {**os.environ, "RETORT_DATA_DIR": str(data.resolve())}
    command = [sys.executable, "-m", "store.settings", "--json"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    return {row["name"]: row["value"] for row in json.loads(done.stdout)}


def _run(command: str, *arguments: str, shelf: str, data: Path) -> Any:
    """The answer of the engine's command; it prints its errors itself."""
    require_service("`retort weights`")
    whole = [sys.executable, "-m", "core.process.shelf", command, *arguments, "--shelf", shelf]
    whole += ["--cache", str(data.resolve() / "cache")]
    done = subprocess.run(whole, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise typer.Exit(2)
    return json.loads(done.stdout)
