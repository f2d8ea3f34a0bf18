"""`retort gc`: what nobody needs any more, and its removal."""

from typing import Annotated

import typer

from retort import output, units
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.tables import Column, show_table

COLUMNS = (
    Column("place", narrow="fold"),
    Column("what"),
    Column("due", right=True),
    Column("bytes", right=True),
    Column("removed", right=True),
    Column("kept", right=True),
    Column("kept bytes", right=True),
    Column("why", narrow="fold"),
)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be removed, and remove nothing")] = False,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Remove what nobody needs any more from the database. Needs a key with the scope admin.

    Workers do so by themselves every ten minutes. They also sweep the caches in their own folders, which this command
    shows as they last told.
    """
    with connect(url) as retort:
        found = retort.garbage() if dry_run else retort.remove_garbage()
    if as_json:
        output.machine(found)
        return
    rows = [
        (
            one["place"],
            one["kind"],
            one["due_count"],
            units.size(one["due_bytes"]),
            one["removed_count"],
            one["kept_count"],
            units.size(one["kept_bytes"]),
            one["reason"],
        )
        for one in found
    ]
    show_table(COLUMNS, rows)
