"""`retort up` and `retort settings`: the service on this machine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from retort import output
from retort.commands.options import AsJson
from retort.local import supervisor
from retort.local.availability import require_service
from retort.tables import Column, show_table

SETTING_COLUMNS = (Column("setting"), Column("meaning", narrow="fold"), Column("value", narrow="fold"))


def up(
    host: Annotated[str, typer.Option(help="loopback address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one")] = 8000,
    data: Annotated[Path, typer.Option(help="folder that holds everything")] = Path("var"),
) -> None:
    """Run the whole service on this machine until Ctrl-C. That is the API, one worker and SQLite."""
    require_service("`retort up`")
    raise typer.Exit(supervisor.run(host, port, data))


def settings(as_json: AsJson = False) -> None:
    """Print every RETORT_ setting with its value. Secrets are masked."""
    require_service("`retort settings`")
    command = [sys.executable, "-m", "store.settings", "--json"]
    # What it says about wrong values goes to standard error as it is.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    rows = json.loads(done.stdout)
    if as_json:
        output.machine(rows)
    else:
        show_table(SETTING_COLUMNS, [(row["name"], row["meaning"], row["value"]) for row in rows])
