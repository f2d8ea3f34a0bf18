"""`retort secrets set | list | remove`: credentials that jobs name as secret://NAME and never hold."""

import sys
from typing import Annotated

import typer

from retort import output, units
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.tables import Column, show_table

secrets = typer.Typer(
    name="secrets", help="Credentials that jobs name as secret://NAME and never hold.", no_args_is_help=True
)
COLUMNS = (Column("secret"), Column("stored", right=True))

Name = Annotated[str, typer.Argument(help="a to z, 0 to 9, - and _", show_default=False)]


@secrets.command("set")
def set_secret(name: Name, url: Url = DEFAULT) -> None:
    """Store a secret, read from standard input; at a terminal it is asked for and not shown.

    Its value is a URI with its credentials, or what opens one: user:password, the value of an Authorization header,
    key:secret of S3, the JSON of a Google service account, or a token of Hugging Face.
    """
    value = typer.prompt("value", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    with connect(url) as retort:
        retort.set_secret(name, value.strip())
    output.line(f"secret://{name} stored")


@secrets.command("list")
def list_secrets(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the names of the secrets; their values are never shown."""
    with connect(url) as retort:
        found = retort.secrets()
    if as_json:
        output.machine(found)
    else:
        show_table(COLUMNS, [(one["name"], units.age(one["updated_at"])) for one in found])


@secrets.command("remove")
def remove_secret(name: Name, url: Url = DEFAULT) -> None:
    """Remove a secret. Jobs that name it and have not begun will fail."""
    with connect(url) as retort:
        retort.remove_secret(name)
    output.line(f"secret://{name} removed")
