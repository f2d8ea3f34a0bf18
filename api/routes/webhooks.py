"""/v1/webhooks: who is told of jobs, and what became of each message."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from api import webhook_url
from api.body import Body, parse_as
from api.dependencies import CallerDep, DatabaseDep, SettingsDep
from api.examples import DELIVERY, DELIVERY_PAGE, NEW_WEBHOOK, WEBHOOK, WEBHOOK_LIST, WEBHOOK_WITH_SECRET
from api.openapi import CHANGING, EVERYWHERE, JSON_BODY, body_of, problems, success
from api.parameters import MAX_ROW_NUMBER, Parameters
from api.schemas.webhooks import (
    DeliveryPage,
    DeliveryView,
    NewWebhook,
    ReplayView,
    WebhookChange,
    WebhookList,
    WebhookView,
    WebhookWithSecret,
)
from store import deliveries, webhooks
from store.sealing import Sealer
from store.settings import Settings
from store.webhook_values import DeliveryState, Webhook

router = APIRouter(tags=["webhooks"])
_MISSING = ("WEBHOOK_NOT_FOUND",)
_READING = problems(*EVERYWHERE, *_MISSING)
_ACTING = problems(*CHANGING, *_MISSING)


class DeliveriesQuery(Parameters):
    """Which messages to list."""

    state: DeliveryState | None = Field(None, description="only these")
    limit: int = Field(100, ge=1, le=1000)
    after: int | None = Field(None, ge=0, le=MAX_ROW_NUMBER, description="`next_cursor` of the page before")


@router.post(
    "/v1/webhooks",
    status_code=201,
    response_model=WebhookWithSecret,
    responses={
        201: success("The webhook, with its secret for the only time", WEBHOOK_WITH_SECRET),
        **problems(*CHANGING, *JSON_BODY, "WEBHOOK_URL_REFUSED", "TOO_MANY_WEBHOOKS"),
    },
    openapi_extra=body_of(NewWebhook, NEW_WEBHOOK),
)
def create_webhook(body: Body, database: DatabaseDep, settings: SettingsDep, caller: CallerDep) -> Response:
    """Be told of jobs at an address, in messages signed by Standard Webhooks. The secret is shown this once."""
    wanted = parse_as(NewWebhook, body)
    _check(wanted.url, settings)
    events = tuple(dict.fromkeys(wanted.events))
    sealer = Sealer.of(settings.sealing_keys, settings.data_dir)
    with database.begin() as session:
        made, secret = webhooks.create(
            session, sealer, caller.tenant, url=wanted.url, events=events, description=wanted.description
        )
        database.concerns(made.id)
    return _with_secret(made, secret, 201)


@router.get("/v1/webhooks", responses={200: success("The webhooks", WEBHOOK_LIST), **problems(*EVERYWHERE)})
def list_webhooks(database: DatabaseDep, caller: CallerDep) -> WebhookList:
    """List the webhooks, the oldest first."""
    with database.read() as session:
        found = webhooks.list_webhooks(session, caller.tenant)
    return WebhookList(data=[WebhookView.model_validate(one) for one in found])


@router.get("/v1/webhooks/{webhook_id}", responses={200: success("The webhook", WEBHOOK), **_READING})
def get_webhook(webhook_id: str, database: DatabaseDep, caller: CallerDep) -> WebhookView:
    """Look at a webhook; its secret is not shown again."""
    with database.read() as session:
        return WebhookView.model_validate(webhooks.get(session, caller.tenant, webhook_id))


@router.patch(
    "/v1/webhooks/{webhook_id}",
    response_model=WebhookView,
    responses={
        200: success("The webhook as it is now", WEBHOOK),
        **problems(*CHANGING, *JSON_BODY, *_MISSING, "WEBHOOK_URL_REFUSED"),
    },
    openapi_extra=body_of(WebhookChange, {"enabled": True}),
)
def change_webhook(
    webhook_id: str, body: Body, database: DatabaseDep, settings: SettingsDep, caller: CallerDep
) -> WebhookView:
    """Change a webhook. One that the service disabled is enabled again by `{"enabled": true}`."""
    wanted = parse_as(WebhookChange, body)
    if wanted.url is not None:
        _check(wanted.url, settings)
    with database.begin() as session:
        changed = webhooks.change(session, caller.tenant, webhook_id, wanted.model_dump(exclude_none=True))
    return WebhookView.model_validate(changed)


@router.delete(
    "/v1/webhooks/{webhook_id}",
    status_code=204,
    responses={204: {"description": "The webhook and its messages are gone"}, **_ACTING},
)
def delete_webhook(webhook_id: str, database: DatabaseDep, caller: CallerDep) -> Response:
    """Delete a webhook with all its messages."""
    with database.begin() as session:
        webhooks.remove(session, caller.tenant, webhook_id)
    return Response(status_code=204)


@router.post(
    "/v1/webhooks/{webhook_id}/rotate",
    response_model=WebhookWithSecret,
    responses={200: success("The webhook, with its new secret for the only time", WEBHOOK_WITH_SECRET), **_ACTING},
)
def rotate_webhook(webhook_id: str, database: DatabaseDep, settings: SettingsDep, caller: CallerDep) -> Response:
    """Give a webhook another secret. For a day the one before signs along, so that no receiver refuses a message."""
    sealer = Sealer.of(settings.sealing_keys, settings.data_dir)
    with database.begin() as session:
        changed, secret = webhooks.rotate(session, sealer, caller.tenant, webhook_id)
    return _with_secret(changed, secret, 200)


@router.get(
    "/v1/webhooks/{webhook_id}/deliveries",
    responses={200: success("Messages", DELIVERY_PAGE), **_READING, **problems(*EVERYWHERE, "PARAMETER_INVALID")},
)
def list_deliveries(
    webhook_id: str, query: Annotated[DeliveriesQuery, Query()], database: DatabaseDep, caller: CallerDep
) -> DeliveryPage:
    """List the messages for a webhook, the newest first. Delivered ones are kept for a week, dead ones for a month."""
    with database.read() as session:
        webhooks.get(session, caller.tenant, webhook_id)
        found = deliveries.list_deliveries(
            session, webhook_id, state=query.state, limit=query.limit + 1, before=query.after
        )
    shown = [DeliveryView.model_validate(one) for one in found[: query.limit]]
    has_more = len(found) > query.limit
    return DeliveryPage(data=shown, has_more=has_more, next_cursor=shown[-1].id if has_more else None)


@router.post(
    "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    status_code=202,
    response_model=DeliveryView,
    responses={
        202: success("The message, pending again", DELIVERY),
        **problems(*CHANGING, *_MISSING, "DELIVERY_NOT_FOUND", "PARAMETER_INVALID"),
    },
)
def replay_delivery(
    webhook_id: str,
    delivery_id: Annotated[int, Path(ge=0, le=MAX_ROW_NUMBER)],
    database: DatabaseDep,
    caller: CallerDep,
) -> DeliveryView:
    """Send a message again, with the same id and content."""
    with database.begin() as session:
        webhooks.get(session, caller.tenant, webhook_id)
        return DeliveryView.model_validate(deliveries.replay(session, webhook_id, delivery_id))


@router.post(
    "/v1/webhooks/{webhook_id}/replay",
    status_code=202,
    response_model=ReplayView,
    responses={202: success("How many are sent again", {"replayed": 3}), **_ACTING},
)
def replay_dead(webhook_id: str, database: DatabaseDep, caller: CallerDep) -> ReplayView:
    """Send all dead messages of a webhook again, as after an outage of its receiver."""
    with database.begin() as session:
        webhooks.get(session, caller.tenant, webhook_id)
        return ReplayView(replayed=deliveries.replay_dead(session, webhook_id))


def _check(url: str, settings: Settings) -> None:
    webhook_url.check(url, webhook_url.limits_of(settings.private_addresses, settings.download_ports))


def _with_secret(webhook: Webhook, secret: str, status: int) -> Response:
    view = WebhookWithSecret(**WebhookView.model_validate(webhook).model_dump(), secret=secret)
    return Response(view.model_dump_json(), status, {"Cache-Control": "no-store"}, "application/json")
