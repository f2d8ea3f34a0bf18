"""`retort webhooks list | create | change | rotate | delete | deliveries | replay`: who is told of jobs."""

from typing import Annotated

import typer

from retort import output, units
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.tables import Column, show_table
from retort.webhook_models import DeliveryView, WebhookView, WebhookWithSecretView

webhooks = typer.Typer(name="webhooks", help="Be told of jobs, by signed messages.", no_args_is_help=True)
COLUMNS = (Column("webhook"), Column("url", narrow="fold"), Column("events", narrow="fold"), Column("state"))
DELIVERY_COLUMNS = (
    Column("delivery", right=True),
    Column("job"),
    Column("event"),
    Column("state"),
    Column("tries", right=True),
    Column("last answer", narrow="fold"),
    Column("age", right=True),
)

WebhookId = Annotated[str, typer.Argument(help="id of a webhook, such as wh_01J...", show_default=False)]
Events = Annotated[list[str], typer.Option("--event", help="such as job.failed; may be repeated")]


@webhooks.command("list")
def list_webhooks(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the webhooks, the oldest first."""
    with connect(url) as retort:
        found = retort.webhooks()
    output.machine(found) if as_json else show_table(COLUMNS, [_row(one) for one in found])


@webhooks.command("create")
def create(
    endpoint: Annotated[str, typer.Argument(help="the address to be told", show_default=False)],
    event: Events = [],  # noqa: B006
    description: Annotated[str, typer.Option(help="for people")] = "",
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Be told of jobs at an address, by default of their ends. Prints the secret, which is shown this once."""
    with connect(url) as retort:
        _show_secret(retort.create_webhook(endpoint, events=event, description=description), as_json)


@webhooks.command("change")
def change(
    webhook_id: WebhookId,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="another address", show_default=False)] = None,
    event: Events = [],  # noqa: B006
    description: Annotated[str | None, typer.Option(help="for people", show_default=False)] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", show_default=False)] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Change a webhook. One that the service disabled is enabled again by --enable."""
    with connect(url) as retort:
        changed = retort.change_webhook(
            webhook_id, url=endpoint, events=event, description=description, enabled=enabled
        )
    output.machine(changed) if as_json else output.line(f"{changed['id']} {_state(changed)}")


@webhooks.command("rotate")
def rotate(webhook_id: WebhookId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Give a webhook another secret and print it; for a day the one before signs along."""
    with connect(url) as retort:
        _show_secret(retort.rotate_webhook(webhook_id), as_json)


@webhooks.command("delete")
def delete(webhook_id: WebhookId, url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Delete a webhook with all its messages."""
    with connect(url) as retort:
        retort.delete_webhook(webhook_id)
    output.machine({"id": webhook_id, "deleted": True}) if as_json else output.line(f"{webhook_id} deleted")


@webhooks.command("deliveries")
def deliveries(
    webhook_id: WebhookId,
    state: Annotated[str | None, typer.Option("--state", help="pending, delivered or dead", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="how many, newest first")] = 20,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List the messages for a webhook, newest first."""
    with connect(url) as retort:
        found = retort.deliveries(webhook_id, state=state, limit=limit)
    output.machine(found) if as_json else show_table(DELIVERY_COLUMNS, [_delivery_row(one) for one in found])


@webhooks.command("replay")
def replay(
    webhook_id: WebhookId,
    delivery_id: Annotated[
        int | None, typer.Argument(help="number of a delivery; all dead ones where none is given", show_default=False)
    ] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Send messages of a webhook again."""
    with connect(url) as retort:
        count = retort.replay_webhook(webhook_id, delivery_id)
    output.machine({"replayed": count}) if as_json else output.line(f"{count} to be sent again")


def _row(webhook: WebhookView) -> tuple[str, ...]:
    return webhook["id"], webhook["url"], ", ".join(webhook["events"]), _state(webhook)


def _state(webhook: WebhookView) -> str:
    if webhook["enabled"]:
        return f"failing for {units.age(webhook['failing_since'])}" if webhook["failing_since"] else "enabled"
    return f"disabled: {webhook['disabled_reason']}" if webhook["disabled_reason"] else "disabled"


def _delivery_row(one: DeliveryView) -> tuple[object, ...]:
    answer = one["error"] or one["status"]
    return one["id"], one["job_id"], one["type"], one["state"], one["tries"], answer, units.age(one["created_at"])


def _show_secret(made: WebhookWithSecretView, as_json: bool) -> None:
    if as_json:
        output.machine(made)
        return
    output.notice(f"{made['id']}: the secret is shown this once; keep it where messages are verified")
    output.line(made["secret"])
