"""`retort keys create | list | rotate | revoke` and `retort audit`: who may use the service, and who did what."""

from typing import Annotated, Any

import typer

from retort import output, units
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.models import KeyView
from retort.tables import Column, show_table

keys = typer.Typer(name="keys", help="API keys. Needs a key with the scope admin.", no_args_is_help=True)
KEY_COLUMNS = (
    Column("key"),
    Column("name", narrow="cut"),
    Column("tenant", narrow="cut"),
    Column("scope"),
    Column("state"),
    Column("last used", right=True),
)
AUDIT_COLUMNS = (
    Column("at"),
    Column("tenant", narrow="cut"),
    Column("who", narrow="fold"),
    Column("what"),
    Column("of", narrow="fold"),
    Column("from", narrow="cut"),
)
SECONDS_PER_HOUR = 3600.0

KeyId = Annotated[str, typer.Argument(help="id of a key, such as key_01J...", show_default=False)]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="for people: whose it is, or what for", show_default=False)],
    scope: Annotated[
        str, typer.Option(help="read, submit or admin; each allows what those before it allow")
    ] = "submit",
    tenant: Annotated[str, typer.Option(help="whose jobs it sees and submits")] = "default",
    expires_days: Annotated[float | None, typer.Option(min=0, help="by default it does not expire")] = None,
    max_queued: Annotated[int | None, typer.Option(min=0, help="jobs that wait at once")] = None,
    max_running: Annotated[int | None, typer.Option(min=1, help="jobs that run at once")] = None,
    max_stored_bytes: Annotated[int | None, typer.Option(min=0, help="artifacts of its jobs")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="counted by each API process")] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make an API key; prints it. It is shown this once and stored nowhere."""
    given = {
        "max_queued_jobs": max_queued,
        "max_running_jobs": max_running,
        "max_stored_bytes": max_stored_bytes,
        "requests_per_minute": requests_per_minute,
    }
    limits = {limit: value for limit, value in given.items() if value is not None}
    with connect(url) as retort:
        made = retort.create_key(name, scope=scope, tenant=tenant, expires_in_days=expires_days, limits=limits)
    _show_secret(made, as_json)


@keys.command("list")
def list_keys(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the keys of all tenants, newest first."""
    with connect(url) as retort:
        found = list(retort.keys())
    if as_json:
        output.machine(found)
        return
    rows = [
        (key["id"], key["name"], key["tenant"], key["scope"], _state(key), units.age(key["last_used_at"]))
        if key["last_used_at"]
        else (key["id"], key["name"], key["tenant"], key["scope"], _state(key), "never")
        for key in found
    ]
    show_table(KEY_COLUMNS, rows)


@keys.command("rotate")
def rotate_key(
    key_id: KeyId,
    overlap_hours: Annotated[float, typer.Option(min=0, help="for so long the secret before is accepted too")] = 24.0,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Give a key another secret; prints it. The id, the limits and the jobs of the key stay."""
    with connect(url) as retort:
        made = retort.rotate_key(key_id, overlap_seconds=overlap_hours * SECONDS_PER_HOUR)
    _show_secret(made, as_json)


@keys.command("revoke")
def revoke_key(key_id: KeyId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Revoke a key for good, with the sign-ins that it made."""
    with connect(url) as retort:
        revoked = retort.revoke_key(key_id)
    output.machine(revoked) if as_json else output.line(f"{revoked['id']} revoked")


def audit(
    tenant: Annotated[str | None, typer.Option(help="only of this tenant", show_default=False)] = None,
    action: Annotated[str | None, typer.Option(help="only this, such as submit_job", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many, newest first")] = 50,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show who did what, newest first. Needs a key with the scope admin."""
    with connect(url) as retort:
        entries = list(retort.audit(tenant=tenant, action=action, limit=limit))
    if as_json:
        output.machine(entries)
        return
    rows = [
        (
            units.local_time(entry["at"]),
            entry["tenant"],
            entry["actor"],
            entry["action"] if entry["outcome"] == "done" else f"denied: {entry['action']}",
            entry["target"],
            entry["client"],
        )
        for entry in entries
    ]
    show_table(AUDIT_COLUMNS, rows)


def _state(key: KeyView) -> str:
    if key["revoked_at"]:
        return "revoked"
    return f"until {units.local_time(key['expires_at'])}" if key["expires_at"] else "valid"


def _show_secret(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.machine(made)
        return
    output.line(made["key"])
    output.notice(f"{made['id']} ({made['name']}), scope {made['scope']}, tenant {made['tenant']}. Shown this once.")
