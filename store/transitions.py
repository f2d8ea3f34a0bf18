"""The one way a job's row changes: a compare-and-set UPDATE that counts the version up and appends events."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, update
from sqlalchemy.orm import Session

from store import webhook_outbox
from store.clock import from_now
from store.tables import artifacts, attempts, events, jobs
from store.values import Attempt, NewEvent
from store.webhook_outbox import STATE

Condition = ColumnElement[bool]


def transition(
    session: Session, where: Sequence[Condition], values: dict[str, Any], new_events: Sequence[NewEvent] = ()
) -> Row[Any] | None:
    """Change the one job that fits `where` and append `new_events`; None, and nothing changed, where no row fits.

    A job that becomes cancelled keeps no files: those of a run that was cut off are no result, and look like one.
    """
    changed = {**values, "version": jobs.c.version + 1, "last_seq": jobs.c.last_seq + len(new_events)}
    statement = update(jobs).where(*where).values(changed).returning(*jobs.c)
    row = session.execute(statement).first()
    if row is not None:
        append(session, row.id, row.attempt, row.last_seq, new_events)
        if values.get("state") == "cancelled":
            session.execute(delete(artifacts).where(artifacts.c.job_id == row.id))
    return row


def append(session: Session, job_id: str, attempt: int, last_seq: int, new_events: Sequence[NewEvent]) -> None:
    """Write events whose numbers the job's row has already counted; the last of them gets `last_seq`. Webhooks are told
    of new states."""
    if not new_events:
        return
    first = last_seq - len(new_events) + 1
    rows = [
        {"job_id": job_id, "seq": first + offset, "attempt": attempt, "kind": event.kind, "data": event.data}
        for offset, event in enumerate(new_events)
    ]
    session.execute(insert(events).values(at=from_now()), rows)
    told = [(first + offset, event) for offset, event in enumerate(new_events) if event.kind == STATE]
    if told:
        webhook_outbox.put(session, job_id, told)


def entered(state: str, **more: Any) -> NewEvent:
    """The event of a job that entered a state."""
    return NewEvent("state", {"state": state, **more})


def close_attempt(session: Session, row: Row[Any], outcome: str, error: dict[str, Any] | None = None) -> None:
    """Say how the latest attempt of a job ended."""
    session.execute(
        update(attempts)
        .where(attempts.c.job_id == row.id, attempts.c.number == row.attempt, attempts.c.ended_at.is_(None))
        .values(ended_at=from_now(), outcome=outcome, error=error)
    )


def as_attempt(row: Row[Any]) -> Attempt:
    """The value of a row of attempts."""
    return Attempt(row.number, row.worker, row.started_at, row.ended_at, row.outcome, row.error)
