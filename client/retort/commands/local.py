"""`retort up`, `retort dashboard` and `retort settings`: the service on this machine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from retort import output
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.local import supervisor
from retort.local.availability import require_service
from retort.tables import Column, show_table

SETTING_COLUMNS = (Column("setting"), Column("meaning", narrow="fold"), Column("value", narrow="fold"))


def up(
    host: Annotated[str, typer.Option(help="loopback address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one")] = 8000,
    data: Annotated[Path, typer.Option(help="folder that holds everything; only you can read it")] = Path("var"),
    open_to_all: Annotated[
        bool, typer.Option("--open", help="no API key is needed: for a machine that nobody else uses")
    ] = False,
) -> None:
    """Run the whole service on this machine until Ctrl-C. That is the API, one worker and SQLite."""
    require_service("`retort up`")
    raise typer.Exit(supervisor.run(host, port, data, open_to_all=open_to_all))


def dashboard(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Print a link that opens the dashboard signed in. It works once, within a day."""
    with connect(url) as retort:
        link = retort.sign_in_link()
    output.machine({"url": link}) if as_json else output.line(link)


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
