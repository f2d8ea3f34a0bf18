"""The messages in the outbox of webhooks: taken by a sender, settled by what came of it, listed, sent again.

At least once: a sender that dies between the answer and `settle` leaves a message that is sent again, under its id.
In order: of one job's messages for one endpoint, only the first that is pending can be taken.
"""

import random
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, Update, and_, exists, func, select, update
from sqlalchemy.orm import Session

from store.clock import from_now, seconds_since
from store.errors import DeliveryNotFound
from store.webhook_tables import webhook_deliveries as rows
from store.webhook_tables import webhooks
from store.webhook_values import DELIVERY_STATES, Delivery, DeliveryState, Due, Outcome, WebhookFigures

# A sender that has not settled a message after so long counts as dead; much longer than a request may take.
SENDING_SECONDS = 60.0
# Pauses between the tries of a message, as Standard Webhooks recommends: three days in all.
PAUSES_SECONDS = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
JITTER = 0.2
MOST_RETRY_AFTER_SECONDS = 3600.0
# An endpoint that took nothing for so long is disabled.
PATIENCE_SECONDS = 5 * 86_400.0
GONE = 410  # what an endpoint answers that wants to hear no more


def is_due(session: Session) -> bool:
    """Whether a message waits to be sent now: a cheap look."""
    return session.execute(select(rows.c.id).where(*_waiting()).limit(1)).first() is not None


def take(session: Session, busy: Collection[str] = (), sending_seconds: float = SENDING_SECONDS) -> Due | None:
    """Take the message that has waited longest, but none for the endpoints in `busy`; None where there is none.

    It belongs to the caller for `sending_seconds`; no other sender takes it, nor a later one of the same job.
    """
    earlier = rows.alias("earlier")
    same = and_(earlier.c.webhook_id == rows.c.webhook_id, earlier.c.job_id == rows.c.job_id)
    blocked = exists().where(same, earlier.c.seq < rows.c.seq, earlier.c.state == "pending")
    first = select(rows.c.id).where(*_waiting(), ~blocked, rows.c.webhook_id.not_in(list(busy)))
    first = first.order_by(rows.c.next_at, rows.c.id).limit(1).with_for_update(skip_locked=True)
    taken = update(rows).where(rows.c.id == first.scalar_subquery(), rows.c.state == "pending")
    row = session.execute(
        taken.values(next_at=from_now(sending_seconds), tries=rows.c.tries + 1).returning(*rows.c)
    ).first()
    return _due(session, row) if row is not None else None


def _waiting() -> tuple[ColumnElement[bool], ...]:
    return rows.c.state == "pending", rows.c.next_at <= from_now()


def _due(session: Session, row: Row[Any]) -> Due:
    valid = (webhooks.c.former_until > from_now()).label("former_is_valid")
    to = session.execute(select(*webhooks.c, valid).where(webhooks.c.id == row.webhook_id)).one()
    sealed = (to.sealed_secret, *([to.sealed_former_secret] if to.former_is_valid else []))
    return Due(row.id, row.message_id, row.webhook_id, to.tenant, to.url, row.body, sealed, row.tries)


def settle(session: Session, due: Due, outcome: Outcome) -> str | None:
    """Write what came of a try; why the endpoint was disabled, where it was. Nothing where another sender has the
    message by now."""
    held = (rows.c.id == due.id, rows.c.tries == due.tries, rows.c.state == "pending")
    told = {"status": outcome.status, "error": outcome.error}
    if outcome.delivered:
        if session.execute(_end(held, "delivered").values(told)).rowcount:
            session.execute(update(webhooks).where(webhooks.c.id == due.webhook_id).values(failing_since=None))
        return None
    pause = _pause(due.tries, outcome)
    later = update(rows).where(*held).values(next_at=from_now(pause or 0.0))
    if not session.execute((_end(held, "dead") if pause is None else later).values(told)).rowcount:
        return None
    session.execute(
        update(webhooks)
        .where(webhooks.c.id == due.webhook_id, webhooks.c.failing_since.is_(None))
        .values(failing_since=from_now())
    )
    return _disable(session, due.webhook_id, outcome)


def _end(held: tuple[ColumnElement[bool], ...], state: DeliveryState) -> Update:
    return update(rows).where(*held).values(state=state, ended_at=from_now())


def _pause(tries: int, outcome: Outcome) -> float | None:
    """Seconds until the next try; None where there have been enough."""
    if tries > len(PAUSES_SECONDS):
        return None
    asked = min(outcome.retry_after_seconds or 0.0, MOST_RETRY_AFTER_SECONDS)
    return max(asked, PAUSES_SECONDS[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER))


def _disable(session: Session, webhook_id: str, outcome: Outcome) -> str | None:
    """Disable an endpoint that is gone, or took nothing for too long; its messages are dead and can be replayed."""
    here: list[ColumnElement[bool]] = [webhooks.c.id == webhook_id, webhooks.c.enabled]
    if outcome.status == GONE:
        reason = "it answered 410 Gone"
    else:
        here.append(webhooks.c.failing_since < from_now(-PATIENCE_SECONDS))
        reason = f"it took no message for {PATIENCE_SECONDS / 86_400:.0f} days; the last try: {outcome.error}"
    if not session.execute(update(webhooks).where(*here).values(enabled=False, disabled_reason=reason)).rowcount:
        return None
    unsent = (rows.c.webhook_id == webhook_id, rows.c.state == "pending")
    session.execute(_end(unsent, "dead").values(error=f"the endpoint was disabled: {reason}"))
    return reason


def list_deliveries(
    session: Session,
    webhook_id: str,
    *,
    state: DeliveryState | None = None,
    limit: int = 100,
    before: int | None = None,
) -> list[Delivery]:
    """The messages for an endpoint, the newest first, with ids below `before`."""
    wanted = [rows.c.webhook_id == webhook_id]
    wanted += [] if state is None else [rows.c.state == state]
    wanted += [] if before is None else [rows.c.id < before]
    found = session.execute(select(rows).where(*wanted).order_by(rows.c.id.desc()).limit(limit))
    return [_delivery(row) for row in found]


def figures(session: Session, tenant: str | None = None) -> WebhookFigures:
    """The figures of a tenant's webhooks, or of all."""
    of_tenant = [] if tenant is None else [webhooks.c.tenant == tenant]
    ours = select(rows.c.state, func.count()).join(webhooks, webhooks.c.id == rows.c.webhook_id).where(*of_tenant)
    messages = dict.fromkeys(DELIVERY_STATES, 0) | {
        state: n for state, n in session.execute(ours.group_by(rows.c.state))
    }
    due = select(func.min(rows.c.next_at).label("at")).join(webhooks, webhooks.c.id == rows.c.webhook_id)
    first = due.where(*of_tenant, rows.c.state == "pending").subquery()
    age = session.execute(select(seconds_since(first.c.at))).scalar_one_or_none()
    endpoints = select(webhooks.c.enabled, func.count()).where(*of_tenant).group_by(webhooks.c.enabled)
    counts = {bool(enabled): count for enabled, count in session.execute(endpoints)}
    return WebhookFigures(messages, max(0.0, age or 0.0), counts.get(True, 0), counts.get(False, 0))


def replay(session: Session, webhook_id: str, delivery_id: int) -> Delivery:
    """Send a message again, however it ended, under the same message id; raises DeliveryNotFound."""
    here = (rows.c.webhook_id == webhook_id, rows.c.id == delivery_id)
    row = session.execute(_again(here).returning(*rows.c)).first()
    if row is None:
        raise DeliveryNotFound(delivery_id)
    return _delivery(row)


def replay_dead(session: Session, webhook_id: str) -> int:
    """Send all dead messages of an endpoint again; how many."""
    count: int = session.execute(_again((rows.c.webhook_id == webhook_id, rows.c.state == "dead"))).rowcount
    return count


def _again(here: tuple[ColumnElement[bool], ...]) -> Update:
    fresh = {"state": "pending", "tries": 0, "next_at": from_now(), "ended_at": None, "status": None, "error": None}
    return update(rows).where(*here).values(fresh)


def _delivery(row: Row[Any]) -> Delivery:
    values = {name: getattr(row, name) for name in Delivery.__dataclass_fields__}
    return Delivery(**values | {"next_at": row.next_at if row.state == "pending" else None})
