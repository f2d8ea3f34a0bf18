"""`retort up` and `retort settings`: the service on this machine."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from retort.local import supervisor
from retort.local.availability import require_service


def up(
    host: Annotated[str, typer.Option(help="loopback address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one")] = 8000,
    data: Annotated[Path, typer.Option(help="folder that holds everything")] = Path("var"),
) -> None:
    """Run the whole service on this machine until Ctrl-C: API, one worker, SQLite."""
    require_service("`retort up`")
    raise typer.Exit(supervisor.run(host, port, data))


def settings() -> None:
    """Print every RETORT_ setting with its meaning and value (secrets masked)."""
    require_service("`retort settings`")
    raise typer.Exit(subprocess.run([sys.executable, "-m", "store.settings"], check=False).returncode)
