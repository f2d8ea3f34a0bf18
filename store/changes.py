"""Changes of a stored job: its name, its labels, and the priority of one that waits."""

from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.orm import Session

from core.spec import JobChange
from store import queue
from store.errors import IllegalTransition, JobNotFound, VersionConflict
from store.jobs import get
from store.states import State
from store.tables import job_labels, jobs
from store.transitions import transition
from store.values import Job, NewEvent

WAITING: tuple[State, ...] = ("queued", "paused")


def change(session: Session, job_id: str, wanted: JobChange, *, versions: frozenset[int] | None = None) -> Job:
    """Change what `wanted` names, also in the job's spec, so that a retry keeps it.

    `versions`: only if the job has one of them, else VersionConflict. Raises JobNotFound, and IllegalTransition for the
    priority of a job that does not wait.
    """
    row = session.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).first()
    if row is None:
        raise JobNotFound(job_id)
    if versions is not None and row.version not in versions:
        raise VersionConflict(job_id, row.version)
    before = get(session, job_id)
    values = _values(before, wanted)
    if not values:
        return before
    if "priority" in values and row.state not in WAITING:
        raise IllegalTransition(job_id, row.state, "change the priority of", "only a job that waits has one to change")
    stored = {name: value for name, value in values.items() if name != "labels"} | _specs(row, values)
    transition(session, [jobs.c.id == job_id, jobs.c.version == row.version], stored, [NewEvent("changed", values)])
    if "priority" in values:
        queue.set_priority(session, job_id, values["priority"])
    if "labels" in values:
        session.execute(delete(job_labels).where(job_labels.c.job_id == job_id))
        rows = [{"job_id": job_id, "key": key, "value": value} for key, value in values["labels"].items()]
        session.execute(insert(job_labels), rows) if rows else None
    return get(session, job_id)


def _values(before: Job, wanted: JobChange) -> dict[str, Any]:
    """What becomes different."""
    after = {"name": wanted.name, "priority": wanted.priority, "labels": wanted.labels_after(before.labels)}
    return {name: value for name, value in after.items() if value is not None and value != getattr(before, name)}


def _specs(row: Row[Any], values: dict[str, Any]) -> dict[str, Any]:
    specs = {"spec": {**row.spec, **values}}
    return specs | ({"resolved": {**row.resolved, "spec": {**row.resolved["spec"], **values}}} if row.resolved else {})
