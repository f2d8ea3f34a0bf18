"""Read-only queries beside the job itself: metrics, events, logs, artifacts, counts, versions."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from store.clock import seconds_since
from store.states import STATES, TERMINAL
from store.tables import artifacts as artifacts_table
from store.tables import events as events_table
from store.tables import jobs
from store.tables import metrics as metrics_table
from store.values import Artifact, Event, JobVersion, LoggedLine, Point, Series


def metrics(
    session: Session,
    job_id: str,
    *,
    names: Sequence[str] = (),
    since_step: int | None = None,
    max_points: int | None = None,
) -> list[Series]:
    """The series of a job, by name; all names where none are given.

    `since_step` leaves out the steps up to and including it. Beyond `max_points` a series is thinned evenly, counted
    from its end so that the latest value always shows.
    """
    wanted = [metrics_table.c.job_id == job_id]
    if names:
        wanted.append(metrics_table.c.name.in_(names))
    if since_step is not None:
        wanted.append(metrics_table.c.step > since_step)
    of_name = {"partition_by": metrics_table.c.name}
    from_end = func.row_number().over(order_by=metrics_table.c.step.desc(), **of_name) - 1
    count = func.count().over(**of_name)
    ranked = select(*metrics_table.c, from_end.label("from_end"), count.label("count")).where(*wanted).subquery()
    query = select(ranked.c.name, ranked.c.step, ranked.c.value, ranked.c.at)
    if max_points is not None:
        stride = (ranked.c.count + max_points - 1) // max_points
        query = query.where(ranked.c.from_end % stride == 0)
    rows = session.execute(query.order_by(ranked.c.name, ranked.c.step))
    return [
        Series(name, tuple(Point(row.step, row.value, row.at) for row in group))
        for name, group in groupby(rows, key=lambda row: row.name)
    ]


def events(session: Session, job_id: str, *, after_seq: int = 0, limit: int = 500) -> list[Event]:
    """What happened to a job after `after_seq`, in order."""
    wanted = (events_table.c.job_id == job_id, events_table.c.seq > after_seq)
    rows = session.execute(select(events_table).where(*wanted).order_by(events_table.c.seq).limit(limit))
    return [Event(row.seq, row.attempt, row.kind, row.data, row.at) for row in rows]


def logs(
    session: Session, job_id: str, *, attempt: int | None = None, after_seq: int = 0, limit: int = 500
) -> list[LoggedLine]:
    """The log lines of a job, of one attempt or of all, after `after_seq`, in order."""
    wanted = [events_table.c.job_id == job_id, events_table.c.kind == "log", events_table.c.seq > after_seq]
    if attempt is not None:
        wanted.append(events_table.c.attempt == attempt)
    rows = session.execute(select(events_table).where(*wanted).order_by(events_table.c.seq).limit(limit))
    return [
        LoggedLine(row.seq, row.attempt, row.data["level"], row.data["message"], datetime.fromisoformat(row.data["at"]))
        for row in rows
    ]


def artifacts(session: Session, job_id: str) -> list[Artifact]:
    """The result files of a job, by name."""
    rows = session.execute(
        select(artifacts_table).where(artifacts_table.c.job_id == job_id).order_by(artifacts_table.c.name)
    )
    return [Artifact(row.name, row.media_type, row.size_bytes, row.sha256, row.created_at) for row in rows]


def artifact(session: Session, job_id: str, name: str) -> Artifact | None:
    """One result file of a job; None where it has none of this name."""
    wanted = (artifacts_table.c.job_id == job_id, artifacts_table.c.name == name)
    row = session.execute(select(artifacts_table).where(*wanted)).first()
    return Artifact(row.name, row.media_type, row.size_bytes, row.sha256, row.created_at) if row else None


def count_jobs(session: Session, tenant: str | None = None) -> dict[str, int]:
    """How many jobs, of a tenant or of all, are in each state; plans are left out."""
    wanted = (jobs.c.kind == "job", *_of_tenant(tenant))
    query = select(jobs.c.state, func.count()).where(*wanted).group_by(jobs.c.state)
    return dict.fromkeys(STATES, 0) | {state: count for state, count in session.execute(query)}


def job_versions(session: Session, job_ids: Sequence[str]) -> dict[str, JobVersion]:
    """How far each of the jobs has come; those that are gone are left out."""
    query = select(jobs.c.id, jobs.c.version, jobs.c.last_seq, jobs.c.state).where(jobs.c.id.in_(job_ids))
    rows = session.execute(query)
    return {row.id: JobVersion(row.version, row.last_seq, row.state in TERMINAL) for row in rows}


def oldest_queued_seconds(session: Session, tenant: str | None = None) -> float:
    """How long the job, of a tenant or of all, has existed that has been queued longest; 0 where none is queued."""
    wanted = (jobs.c.state == "queued", *_of_tenant(tenant))
    oldest = select(func.min(jobs.c.created_at).label("created_at")).where(*wanted).subquery()
    age = session.execute(select(seconds_since(oldest.c.created_at))).scalar_one_or_none()
    return max(0.0, age or 0.0)


def _of_tenant(tenant: str | None) -> list[ColumnElement[bool]]:
    return [] if tenant is None else [jobs.c.tenant == tenant]
