"""The rows of queued jobs: put and taken in the transaction that queues or claims the job; and which of them still want
a message at the broker.

A message is a doorbell: whoever hears it claims the most deserving job that it can run (store.queue_order). It is sent
after the commit, by a worker that calls `unrung`, sends, and then calls `mark_rung`; dying between the two rings twice,
which is harmless. No message is needed for a job to run: workers with a free slot look at the queue now and then.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, delete, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from store.clock import from_now, seconds_since
from store.queue_table import queue
from store.states import Kind
from store.tables import jobs
from store.values import Ring

_FIRST = select(queue.c.job_id).limit(1)  # built once: it is asked several times a second


def put(session: Session, job_id: str) -> None:
    """Add a job that has just been queued."""
    row = {
        queue.c.job_id: jobs.c.id,
        queue.c.kind: jobs.c.kind,
        queue.c.devices: jobs.c.spec["training"]["devices"].as_string(),
        queue.c.tenant: jobs.c.tenant,
        queue.c.key_id: func.coalesce(jobs.c.key_id, literal("")),
        queue.c.precedence: -jobs.c.priority,
        queue.c.run_after: jobs.c.run_after,
    }
    session.execute(insert(queue).from_select(list(row), select(*row.values()).where(jobs.c.id == job_id)))


def take(session: Session, job_id: str) -> None:
    """Remove a job that is no longer queued."""
    session.execute(delete(queue).where(queue.c.job_id == job_id))


def set_priority(session: Session, job_id: str, priority: int) -> None:
    """Move a job within the queue, if it is there."""
    session.execute(update(queue).where(queue.c.job_id == job_id).values(precedence=-priority))


def is_empty(session: Session) -> bool:
    """Whether nothing is queued: the cheapest look there is."""
    return session.execute(_FIRST).first() is None


def is_due() -> ColumnElement[bool]:
    """The condition of rows that may be tried now."""
    return or_(queue.c.run_after.is_(None), queue.c.run_after <= from_now())


def count(session: Session, kind: Kind, most: int) -> int:
    """How many jobs of a kind are queued, counted up to `most`."""
    some = select(queue.c.job_id).where(queue.c.kind == kind).limit(most).subquery()
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def unrung(session: Session, limit: int) -> list[Ring]:
    """Queued jobs that may be tried now and for which no message was sent, at most so many."""
    wanted = select(queue.c.job_id, queue.c.kind, queue.c.devices).where(queue.c.rung_at.is_(None), is_due())
    return [Ring(row.job_id, row.kind, row.devices) for row in session.execute(wanted.limit(limit))]


def mark_rung(session: Session, job_ids: Iterable[str]) -> None:
    """Say that the broker has taken a message for each of these jobs."""
    session.execute(update(queue).where(queue.c.job_id.in_(list(job_ids))).values(rung_at=from_now()))


def rung(session: Session, seconds: float, limit: int) -> list[Ring]:
    """Queued jobs for which the broker took a message so long ago or longer, at most so many."""
    wanted = select(queue.c.job_id, queue.c.kind, queue.c.devices).where(queue.c.rung_at < from_now(-seconds))
    return [Ring(row.job_id, row.kind, row.devices) for row in session.execute(wanted.limit(limit))]


def forget_rings(session: Session, job_ids: Iterable[str]) -> None:
    """Say that the broker has lost the messages for these jobs."""
    session.execute(update(queue).where(queue.c.job_id.in_(list(job_ids))).values(rung_at=None))


def rung_seconds(session: Session, job_id: str) -> float:
    """How long ago the broker took a message for a job; 0 where it took none."""
    age = select(seconds_since(queue.c.rung_at)).where(queue.c.job_id == job_id)
    return session.execute(age).scalar_one_or_none() or 0.0
