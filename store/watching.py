"""What a process asks again and again about many jobs at once: cheap glances, and the age of the queue."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.clock import seconds_since
from store.states import TERMINAL
from store.tables import jobs
from store.views import Glance


def glance(session: Session, job_ids: Sequence[str]) -> dict[str, Glance]:
    """How far each of the jobs has come; those that are gone are left out."""
    query = select(jobs.c.id, jobs.c.version, jobs.c.last_seq, jobs.c.state).where(jobs.c.id.in_(job_ids))
    rows = session.execute(query)
    return {row.id: Glance(row.version, row.last_seq, row.state in TERMINAL) for row in rows}


def oldest_queued_seconds(session: Session) -> float:
    """How long the job has existed that has been queued longest; 0 where none is queued."""
    oldest = select(func.min(jobs.c.created_at).label("created_at")).where(jobs.c.state == "queued").subquery()
    age = session.execute(select(seconds_since(oldest.c.created_at))).scalar_one_or_none()
    return max(0.0, age or 0.0)
