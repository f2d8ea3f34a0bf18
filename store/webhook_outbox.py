"""Puts a job's new states into the outbox of webhooks, within the transaction that changed the job.

So a message exists exactly where the change does, whatever dies before or after the commit.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.orm import Session
from ulid import ULID

from store.clock import from_now
from store.tables import job_labels, jobs
from store.values import NewEvent
from store.webhook_tables import webhook_deliveries, webhooks

STATE = "state"  # the kind of events that webhooks are told of


def put(session: Session, job_id: str, told: Sequence[tuple[int, NewEvent]]) -> None:
    """Add a message for each event (with its seq) and each endpoint of the job's tenant that wants it."""
    columns: tuple[Any, ...] = (
        webhooks.c.id.label("webhook_id"),
        webhooks.c.events,
        jobs.c.name,
        jobs.c.attempt,
        jobs.c.error,
    )
    of_tenant = select(*columns).join(jobs, jobs.c.tenant == webhooks.c.tenant)
    wanted = of_tenant.where(jobs.c.id == job_id, jobs.c.kind == "job", webhooks.c.enabled)
    listeners = session.execute(wanted.order_by(webhooks.c.id)).all()
    messages = [
        (listener, seq, event)
        for seq, event in told
        for listener in listeners
        if f"job.{event.data['state']}" in listener.events
    ]
    if not messages:
        return
    labels = {row.key: row.value for row in session.execute(select(job_labels).where(job_labels.c.job_id == job_id))}
    now = session.execute(select(from_now())).scalar_one()
    rows = [_message(job_id, labels, now.isoformat(), *message) for message in messages]
    common = {"state": "pending", "tries": 0, "next_at": from_now(), "created_at": from_now()}
    session.execute(insert(webhook_deliveries).values(common), rows)


def _message(
    job_id: str, labels: dict[str, str], at: str, listener: Row[Any], seq: int, event: NewEvent
) -> dict[str, Any]:
    """The body is written once: each try sends the same bytes, and with them the same signature."""
    kind = f"job.{event.data['state']}"
    told = {"job_id": job_id, "name": listener.name, "labels": labels, "seq": seq, "attempt": listener.attempt}
    more = {"error": listener.error, "reason": event.data.get("reason")}
    body = {"type": kind, "timestamp": at, "data": {**told, "state": event.data["state"], **more}}
    return {
        "message_id": f"msg_{ULID()}",
        "webhook_id": listener.webhook_id,
        "job_id": job_id,
        "seq": seq,
        "type": kind,
        "body": json.dumps(body),
    }
