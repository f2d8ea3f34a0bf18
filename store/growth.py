"""What sweeps found and removed, as figures that /metrics and `retort gc` show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from store.clock import from_now
from store.growth_table import growth

DATABASE = "database"
FORGOTTEN_SECONDS = 2 * 86_400.0  # a place of which nothing was heard for so long is gone


@dataclass(frozen=True)
class Swept:
    """One kind of thing after a sweep: what is kept, what of it is due to be removed and why, and what was removed."""

    kind: str
    reason: str
    kept_count: int = 0
    kept_bytes: int = 0
    due_count: int = 0
    due_bytes: int = 0
    removed_count: int = 0
    removed_bytes: int = 0


@dataclass(frozen=True)
class Figures(Swept):
    """The figures of a kind in a place; `removed_*` since the place was first swept."""

    place: str = DATABASE
    at: datetime | None = None


def publish(session: Session, place: str, swept: Sequence[Swept]) -> None:
    """Write the figures of a sweep of a place; what was removed is added to what was removed before."""
    for one in swept:
        here = (growth.c.place == place, growth.c.kind == one.kind)
        now = {"reason": one.reason, "kept_count": one.kept_count, "kept_bytes": one.kept_bytes, "at": from_now()}
        now |= {"due_count": one.due_count, "due_bytes": one.due_bytes}
        added = {
            "removed_count": growth.c.removed_count + one.removed_count,
            "removed_bytes": growth.c.removed_bytes + one.removed_bytes,
        }
        if session.execute(update(growth).where(*here).values(**now, **added)).rowcount == 0:
            removed = {"removed_count": one.removed_count, "removed_bytes": one.removed_bytes}
            session.execute(insert(growth).values(place=place, kind=one.kind, **now, **removed))
    session.execute(delete(growth).where(growth.c.at < from_now(-FORGOTTEN_SECONDS)))


def figures(session: Session) -> list[Figures]:
    """The figures of all places."""
    rows = session.execute(select(growth).order_by(growth.c.place, growth.c.kind))
    return [Figures(**row) for row in rows.mappings()]


def seconds_since_sweep(session: Session, place: str) -> float | None:
    """How long ago a place was swept; None where it never was."""
    latest = session.execute(select(func.max(growth.c.at), from_now()).where(growth.c.place == place)).one()
    return (latest[1] - latest[0]).total_seconds() if latest[0] is not None else None
