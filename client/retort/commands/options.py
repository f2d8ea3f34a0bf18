"""Options that several commands share."""

from typing import Annotated

import typer

from retort import Retort
from retort.service import DEFAULT_URL

# A person at a terminal wants to hear at once that nobody answers; watching outlasts restarts by its own patience.
PATIENCE_SECONDS = 2.0

Url = Annotated[str, typer.Option("--url", envvar="RETORT_URL", help="address of the service")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output and nothing else")]
JobId = Annotated[str, typer.Argument(help="id of a job, such as job_01J...", show_default=False)]

DEFAULT = DEFAULT_URL


def connect(url: str) -> Retort:
    """The service at an address."""
    return Retort(url, patience_seconds=PATIENCE_SECONDS)
