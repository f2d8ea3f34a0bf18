"""The traceparent of the request that made a job, where traces are on."""

from sqlalchemy import Column, ForeignKey, String, Table, insert, select
from sqlalchemy.orm import Session

from store.tables import metadata

job_traces = Table(
    "job_traces",
    metadata,
    Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("traceparent", String(64), nullable=False),
)


def keep_trace(session: Session, job_id: str, traceparent: str) -> None:
    """Let the attempts at a new job be part of the trace."""
    session.execute(insert(job_traces).values(job_id=job_id, traceparent=traceparent))


def trace_of(session: Session, job_id: str) -> str | None:
    """The traceparent of a job; None where its request was not traced."""
    found = session.execute(select(job_traces.c.traceparent).where(job_traces.c.job_id == job_id))
    return found.scalar_one_or_none()
