"""From rows to Job values: a handful of queries for any number of jobs."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from store import queue_places, warnings
from store.eligibility import Candidate, candidates, count_eligible, reason
from store.states import TERMINAL, Kind
from store.tables import attempts, job_labels
from store.transitions import as_attempt
from store.values import Attempt, Job, JobWarning, Queue, Standing


def load(session: Session, rows: Sequence[Row[Any]]) -> list[Job]:
    """The values of rows of jobs, in their order."""
    ids = [row.id for row in rows]
    labels = _labels(session, ids)
    tries = _attempts(session, ids)
    queues = _queues(session, [_waiting(row) for row in rows if row.state == "queued"], tries)
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


def standing(session: Session, row: Row[Any]) -> Standing:
    """What changes in a job, of a row with its id, kind, tenant, state, version, runtime_seconds and run_after, and the
    `devices` that a queued one asks for."""
    waiting = [_Waiting(row.id, row.kind, row.tenant, row.devices, row.run_after)] if row.state == "queued" else []
    queue = _queues(session, waiting, _attempts(session, [one.id for one in waiting])).get(row.id)
    return Standing(row.version, row.state in TERMINAL, row.runtime_seconds, queue)


class _Waiting(NamedTuple):
    """A queued job."""

    id: str
    kind: Kind
    tenant: str
    devices: str
    run_after: datetime | None


def _waiting(row: Row[Any]) -> _Waiting:
    return _Waiting(row.id, row.kind, row.tenant, row.spec["training"]["devices"], row.run_after)


def _queues(session: Session, queued: Sequence[_Waiting], tries: dict[str, list[Attempt]]) -> dict[str, Queue]:
    """The places of queued jobs, how many workers can run each, and the reason where none can."""
    if not queued:
        return {}
    alive = candidates(session)
    ids: dict[tuple[Kind, str], list[str]] = defaultdict(list)
    for job in queued:
        ids[job.kind, job.tenant].append(job.id)
    positions: dict[str, int] = {}
    for (kind, tenant), its in ids.items():
        positions |= queue_places.positions(session, kind, tenant, its)
    return {job.id: _queue(job, positions[job.id], alive, tries[job.id]) for job in queued if job.id in positions}


def _queue(job: _Waiting, position: int, alive: Sequence[Candidate], tries: Sequence[Attempt]) -> Queue:
    asked = (job.kind, job.devices, alive)
    return Queue(position, count_eligible(*asked), reason(*asked, job.run_after, tries[-1] if tries else None))


def _job(
    row: Row[Any],
    labels: dict[str, str],
    found: tuple[JobWarning, ...],
    tries: tuple[Attempt, ...],
    queue: Queue | None,
) -> Job:
    resolved = row.resolved
    spec = resolved["spec"] if resolved else row.spec
    named = {
        "name": row.name,
        "labels": labels,
        "priority": row.priority,
    }  # as they are now, whatever an engine was told
    return Job(
        id=row.id,
        kind=row.kind,
        name=row.name,
        labels=labels,
        priority=row.priority,
        state=row.state,
        phase=row.phase,
        progress=row.progress,
        spec=spec | {name: value for name, value in named.items() if name in spec},
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
