"""What of the whole service is counted for Prometheus."""

from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from store.tables import attempts, blobs

RUNNING = "running"


@dataclass(frozen=True)
class BlobTotals:
    """How many blobs there are in a place, and how large they are together."""

    place: str  # database or objects
    count: int
    num_bytes: int


def attempts_by_outcome(session: Session) -> dict[str, int]:
    """Outcome -> attempts of the jobs that are in the database; `running` are those that have none yet."""
    outcome = func.coalesce(attempts.c.outcome, RUNNING)
    rows = session.execute(select(outcome, func.count()).group_by(outcome))
    return {name: count for name, count in rows}


def blob_totals(session: Session) -> list[BlobTotals]:
    """The whole blobs of each place."""
    place = case((blobs.c.object_key.is_(None), "database"), else_="objects")
    total = func.coalesce(func.sum(blobs.c.size_bytes), 0)
    rows = session.execute(select(place, func.count(), total).where(blobs.c.sha256.is_not(None)).group_by(place))
    return [BlobTotals(name, count, int(num_bytes)) for name, count, num_bytes in rows]
