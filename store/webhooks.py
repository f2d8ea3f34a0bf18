"""The endpoints of a tenant's webhooks: made, changed, removed, and given new secrets."""

import base64
import secrets
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.orm import Session
from ulid import ULID

from store.clock import from_now
from store.errors import TooManyWebhooks, WebhookNotFound
from store.sealing import Sealer
from store.webhook_tables import webhooks
from store.webhook_values import EventType, Webhook

MOST_WEBHOOKS = 50  # of a tenant: each state of a job is a row for each
SECRET_BYTES = 32  # Standard Webhooks allows 24 to 64
OVERLAP_SECONDS = 24 * 3600.0


def create(
    session: Session, sealer: Sealer, tenant: str, *, url: str, events: tuple[EventType, ...], description: str
) -> tuple[Webhook, str]:
    """A new endpoint, and its secret for the only time. Raises TooManyWebhooks."""
    count = select(func.count()).select_from(webhooks).where(webhooks.c.tenant == tenant)
    if session.execute(count).scalar_one() >= MOST_WEBHOOKS:
        raise TooManyWebhooks(MOST_WEBHOOKS)
    webhook_id, secret = f"wh_{ULID()}", _new_secret()
    facts = {"url": url, "events": list(events), "description": description}
    sealed = sealer.seal(secret, tenant=tenant, name=webhook_id)
    now = {"enabled": True, "created_at": from_now()}
    session.execute(insert(webhooks).values(id=webhook_id, tenant=tenant, sealed_secret=sealed, **facts, **now))
    return get(session, tenant, webhook_id), secret


def get(session: Session, tenant: str, webhook_id: str) -> Webhook:
    """The endpoint; raises WebhookNotFound, also for one of another tenant."""
    row = session.execute(select(webhooks).where(*_of(tenant, webhook_id))).first()
    if row is None:
        raise WebhookNotFound(webhook_id)
    return _webhook(row)


def list_webhooks(session: Session, tenant: str) -> list[Webhook]:
    """The endpoints of a tenant, the oldest first."""
    rows = session.execute(select(webhooks).where(webhooks.c.tenant == tenant).order_by(webhooks.c.id))
    return [_webhook(row) for row in rows]


def change(session: Session, tenant: str, webhook_id: str, changed: dict[str, Any]) -> Webhook:
    """Set url, events, description or enabled; enabling forgets why it was disabled. Raises WebhookNotFound."""
    values = dict(changed)
    if values.get("enabled"):
        values |= {"disabled_reason": None, "failing_since": None}
    if values:
        session.execute(update(webhooks).where(*_of(tenant, webhook_id)).values(values))
    return get(session, tenant, webhook_id)


def rotate(
    session: Session, sealer: Sealer, tenant: str, webhook_id: str, overlap_seconds: float = OVERLAP_SECONDS
) -> tuple[Webhook, str]:
    """A new secret, shown this once; the one before signs along for `overlap_seconds`. Raises WebhookNotFound."""
    secret = _new_secret()
    sealed = sealer.seal(secret, tenant=tenant, name=webhook_id)
    former = {"sealed_former_secret": webhooks.c.sealed_secret, "former_until": from_now(overlap_seconds)}
    session.execute(update(webhooks).where(*_of(tenant, webhook_id)).values(sealed_secret=sealed, **former))
    return get(session, tenant, webhook_id), secret


def remove(session: Session, tenant: str, webhook_id: str) -> None:
    """Remove an endpoint with all its messages; raises WebhookNotFound."""
    if session.execute(delete(webhooks).where(*_of(tenant, webhook_id))).rowcount == 0:
        raise WebhookNotFound(webhook_id)


def _of(tenant: str, webhook_id: str) -> tuple[ColumnElement[bool], ...]:
    return webhooks.c.tenant == tenant, webhooks.c.id == webhook_id


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        tenant=row.tenant,
        url=row.url,
        events=tuple(row.events),
        description=row.description,
        enabled=row.enabled,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        created_at=row.created_at,
    )
