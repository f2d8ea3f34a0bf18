"""From rows to Job values: a handful of queries for any number of jobs."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from core.spec.devices import fits
from store import queue_order, warnings
from store.states import Kind
from store.tables import attempts, job_labels
from store.transitions import as_attempt
from store.values import Attempt, Job, JobWarning, Queue
from store.workers import gpus_alive


def load(session: Session, rows: Sequence[Row[Any]]) -> list[Job]:
    """The values of rows of jobs, in their order."""
    ids = [row.id for row in rows]
    labels = _labels(session, ids)
    tries = _attempts(session, ids)
    queues = _queues(session, [row for row in rows if row.state == "queued"])
    found = warnings.of_jobs(session, ids)
    return [_job(row, labels[row.id], found[row.id], tuple(tries[row.id]), queues.get(row.id)) for row in rows]


def _labels(session: Session, ids: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in session.execute(select(job_labels).where(job_labels.c.job_id.in_(ids)).order_by(job_labels.c.key)):
        found[row.job_id][row.key] = row.value
    return found


def _attempts(session: Session, ids: list[str]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = defaultdict(list)
    for row in session.execute(select(attempts).where(attempts.c.job_id.in_(ids)).order_by(attempts.c.number)):
        found[row.job_id].append(as_attempt(row))
    return found


def _queues(session: Session, queued: Sequence[Row[Any]]) -> dict[str, Queue]:
    """The places of queued jobs, and how many workers have the devices that each asks for."""
    if not queued:
        return {}
    workers = gpus_alive(session)
    asked: dict[tuple[Kind, str], dict[str, str]] = defaultdict(dict)
    for row in queued:
        asked[row.kind, row.tenant][row.id] = row.spec["training"]["devices"]
    return {
        job_id: Queue(position, sum(fits(devices[job_id], num_gpus) for num_gpus in workers))
        for (kind, tenant), devices in asked.items()
        for job_id, position in queue_order.positions(session, kind, tenant, list(devices)).items()
    }


def _job(
    row: Row[Any],
    labels: dict[str, str],
    found: tuple[JobWarning, ...],
    tries: tuple[Attempt, ...],
    queue: Queue | None,
) -> Job:
    resolved = row.resolved
    return Job(
        id=row.id,
        kind=row.kind,
        name=row.name,
        labels=labels,
        priority=row.priority,
        state=row.state,
        phase=row.phase,
        progress=row.progress,
        spec=resolved["spec"] if resolved else row.spec,
        resolved=resolved,
        student=resolved["student"] if resolved else None,
        result=row.result,
        error=row.error,
        warnings=found,
        attempts=tries,
        queue=queue,
        runtime_seconds=row.runtime_seconds,
        created_at=row.created_at,
        started_at=row.started_at,
        cancel_requested_at=row.cancel_requested_at,
        finished_at=row.finished_at,
        version=row.version,
        tenant=row.tenant,
    )
