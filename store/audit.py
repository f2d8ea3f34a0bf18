"""The audit log: who did what, when, from where. Entries are only added, and removed when they are old."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from store.clock import from_now
from store.tables import audit

MAX_TEXT = 255
Outcome = Literal["done", "denied"]


@dataclass(frozen=True)
class NewEntry:
    """Something that a caller did or was denied; `target` is the id of what it concerned, or a path."""

    tenant: str
    actor: str
    action: str
    target: str
    outcome: Outcome
    client: str  # address of the other end of the connection
    request_id: str


@dataclass(frozen=True)
class Entry(NewEntry):
    """An entry of the log; `id` rises with time."""

    id: int
    at: datetime


def record(session: Session, entry: NewEntry) -> None:
    """Add an entry, within the transaction of what it tells."""
    row = {
        "tenant": entry.tenant,
        "actor": entry.actor[:MAX_TEXT],
        "action": entry.action,
        "target": entry.target[:MAX_TEXT],
        "outcome": entry.outcome,
        "client": entry.client,
        "request_id": entry.request_id,
    }
    session.execute(insert(audit).values(**row, at=from_now()))


def list_entries(
    session: Session,
    *,
    tenant: str | None = None,
    action: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> Sequence[Entry]:
    """Entries, the newest first: those of one tenant or action, where it is given, with an id below `before`."""
    wanted = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if tenant is not None:
        wanted = wanted.where(audit.c.tenant == tenant)
    if action is not None:
        wanted = wanted.where(audit.c.action == action)
    if before is not None:
        wanted = wanted.where(audit.c.id < before)
    return [Entry(**row) for row in session.execute(wanted).mappings()]
