"""A worker's side of a job: claim it, keep the lease, write under its token, end it.

Every function that takes a Lease changes nothing and returns False (or held=False) once the lease is lost: another
worker may have the job by then. At most one worker's output is ever accepted.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, case, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from store import blobs, queue, queue_order, quotas
from store import warnings as job_warnings
from store.clock import from_now, seconds_since
from store.states import HELD, Asked, Kind, State
from store.tables import artifacts, attempts, jobs, metrics, previous_checkpoints
from store.transitions import Condition, close_attempt, entered, transition
from store.upsert import insert_or_replace
from store.values import Beat, CheckpointRef, JobWarning, Lease, LogLine, MetricPoint, NewEvent

GOING: tuple[State, ...] = ("running", "pausing")  # what is finished while a pause is asked for counts as finished
_ASKED: dict[str, Asked] = {"cancelling": "cancel", "pausing": "pause"}
NO_CHECKPOINT: dict[str, Any] = {"checkpoint_sha256": None, "checkpoint_path": None, "checkpoint_step": None}
LET_GO: dict[str, Any] = {"owner": None, "lease_until": None, "beat_at": None, "phase": None}


def claim(session: Session, job_id: str, *, owner: str, lease_seconds: float) -> Lease | None:
    """Take a queued job for `owner` (a worker's id); None where another was faster, or the job is not queued, or has to
    wait after a crash."""
    taken = {"state": "running", "owner": owner, "lease_until": from_now(lease_seconds), "beat_at": from_now()}
    counted = {"token": jobs.c.token + 1, "attempt": jobs.c.attempt + 1, "run_after": None}
    values = taken | counted | {"started_at": func.coalesce(jobs.c.started_at, from_now()), "phase": "preparing"}
    due = or_(jobs.c.run_after.is_(None), jobs.c.run_after <= from_now())
    waiting = [jobs.c.id == job_id, jobs.c.state == "queued", due]
    row = transition(session, waiting, values, [entered("running", worker=owner)])
    if row is None:
        return None
    session.execute(
        insert(attempts).values(job_id=job_id, number=row.attempt, token=row.token, worker=owner, started_at=from_now())
    )
    queue.take(session, job_id)
    return Lease(
        job_id=job_id,
        kind=row.kind,
        token=row.token,
        attempt=row.attempt,
        spec=row.spec,
        checkpoints=_checkpoints(session, row),
        runtime_seconds=row.runtime_seconds,
        max_runtime_seconds=row.spec["training"]["max_runtime_seconds"],
        lease_seconds=lease_seconds,
        tenant=row.tenant,
    )


def claim_next(
    session: Session,
    kind: Kind,
    *,
    owner: str,
    lease_seconds: float,
    num_gpus: int | None = None,
    max_running: int | None = None,
) -> Lease | None:
    """Take the queued job of a kind that starts next (store.queue_order) for `owner`, who has so many GPUs; None where
    none can start. `max_running`: jobs of one tenant that may run at once.
    """
    found = queue_order.next_job(session, kind, num_gpus=num_gpus, max_running=max_running, lock=True)
    if found is None or not quotas.may_run(session, kind, found.tenant, found.key_id, max_running):
        return None
    return claim(session, found.id, owner=owner, lease_seconds=lease_seconds)


def _checkpoints(session: Session, row: Row[Any]) -> tuple[CheckpointRef, ...]:
    if row.checkpoint_sha256 is None:
        return ()
    last = CheckpointRef(row.checkpoint_sha256, row.checkpoint_path, row.checkpoint_step)
    mine = previous_checkpoints.c.job_id == row.id
    before = session.execute(select(previous_checkpoints).where(mine)).first()
    return (last,) if before is None else (last, CheckpointRef(before.sha256, before.path, before.step))


def beat(session: Session, lease: Lease, lease_seconds: float) -> Beat:
    """Prolong the lease and count the runtime; tells whether it is still held and whether to stop."""
    fresh = {"lease_until": from_now(lease_seconds), "beat_at": from_now()}
    state = session.execute(
        update(jobs).where(*_held(lease)).values(fresh | {"runtime_seconds": _runtime(lease)}).returning(jobs.c.state)
    ).scalar_one_or_none()
    return Beat(held=state is not None, asked=_ASKED.get(state or ""))


def asked(session: Session, lease: Lease) -> Asked | None:
    """What a client asks, for a look between two beats: reads only, and says nothing about a lease that is lost."""
    state = session.execute(select(jobs.c.state).where(*_held(lease))).scalar_one_or_none()
    return _ASKED.get(state or "")


def record(
    session: Session,
    lease: Lease,
    *,
    metrics: Sequence[MetricPoint] = (),
    progress: Mapping[str, Any] | None = None,
    phase: str | None = None,
    resolved: Mapping[str, Any] | None = None,
    logs: Sequence[LogLine] = (),
    events: Sequence[NewEvent] = (),
    warnings: Sequence[JobWarning] = (),
) -> bool:
    """Write what the engine reported since the last call; whether the lease is held."""
    changed: dict[str, Any] = {}
    new_events = list(events)
    if phase is not None:
        changed["phase"] = phase
        new_events.append(NewEvent("phase", {"phase": phase}))
    if resolved is not None:
        changed["resolved"] = dict(resolved)
        new_events.append(NewEvent("resolved", dict(resolved)))
    if progress is not None:
        changed["progress"] = dict(progress)
    new_events += [
        NewEvent("log", {"level": log.level, "message": log.message, "at": log.at.isoformat()}) for log in logs
    ]
    new_events += job_warnings.as_events(warnings)
    row = transition(session, _held(lease), changed, new_events)
    if row is None:
        return False
    job_warnings.keep(session, lease.job_id, row.attempt, row.last_seq, warnings)
    _write_metrics(session, lease.job_id, metrics)
    return True


def _write_metrics(session: Session, job_id: str, points: Sequence[MetricPoint]) -> None:
    """A step that is reported again, after a resume, overwrites; within one call the last one counts."""
    latest = {(point.name, point.step): point for point in points}
    rows = []
    for point in latest.values():
        finite = point.value is not None and math.isfinite(point.value)
        value = point.value if finite else None
        rows.append(
            {"job_id": job_id, "name": point.name, "step": point.step, "value": value, "finite": finite, "at": point.at}
        )
    insert_or_replace(session, metrics, rows)


def save_checkpoint(session: Session, lease: Lease, sha256: str, path: str, step: int) -> bool:
    """Let the job go on from this blob if the worker dies; whether the lease is held. A step beyond the checkpoint
    before is progress, which clears the counts of crashes, silences and faults of hosts.

    The checkpoint before it is kept, for the case that this one is damaged when it is needed.
    """
    _keep_previous(session, lease, sha256)
    is_further = func.coalesce(jobs.c.checkpoint_step, -1) < step
    counted = (jobs.c.crashes, jobs.c.silences, jobs.c.host_faults)
    counts = {column.name: case((is_further, 0), else_=column) for column in counted}
    values = {"checkpoint_sha256": sha256, "checkpoint_path": path, "checkpoint_step": step, **counts}
    new_events = [NewEvent("checkpoint", {"step": step, "sha256": sha256})]
    return transition(session, _held(lease), values, new_events) is not None


def _keep_previous(session: Session, lease: Lease, sha256: str) -> None:
    """Only the holder of the lease may: a worker that lost it would replace what its successor relies on. The row is
    locked, so that the lease is still held when the transition follows."""
    differs = jobs.c.checkpoint_sha256 != sha256  # never true for NULL
    row = session.execute(select(jobs).where(*_held(lease), differs).with_for_update()).first()
    if row is not None:
        last = {"sha256": row.checkpoint_sha256, "path": row.checkpoint_path, "step": row.checkpoint_step}
        insert_or_replace(session, previous_checkpoints, [{"job_id": lease.job_id, **last}])


def drop_checkpoint(session: Session, lease: Lease, damaged: CheckpointRef, warning: JobWarning) -> bool:
    """Go back from a checkpoint that cannot be read to the one before it, or to none; whether the lease is held.

    The damaged blob loses its name in the same transaction: else the same checkpoint, trained anew, would be that blob.
    """
    mine = previous_checkpoints.c.job_id == lease.job_id
    row = session.execute(
        select(previous_checkpoints).where(mine, previous_checkpoints.c.sha256 != damaged.sha256)
    ).first()
    previous = (row.sha256, row.path, row.step) if row is not None else (None, None, None)
    values = dict(zip(("checkpoint_sha256", "checkpoint_path", "checkpoint_step"), previous, strict=True))
    if transition(session, _held(lease), values) is None:
        return False
    session.execute(delete(previous_checkpoints).where(mine))
    blobs.discard(session, damaged.sha256)
    return record(session, lease, warnings=[warning])


def add_artifact(session: Session, lease: Lease, name: str, media_type: str, sha256: str, size_bytes: int) -> bool:
    """Publish a blob as a result file; it replaces an earlier one of this name. Whether the lease is held."""
    facts = {"name": name, "media_type": media_type, "sha256": sha256, "size_bytes": size_bytes}
    if transition(session, _held(lease), {}, [NewEvent("artifact", facts)]) is None:
        return False
    insert_or_replace(session, artifacts, [{"job_id": lease.job_id, **facts}], created_at=from_now())
    return True


def succeed(session: Session, lease: Lease, result: Mapping[str, Any]) -> bool:
    """End the job with its result, without its checkpoints, which nobody needs any more; a job whose cancel was asked
    for ends cancelled. Whether the lease was held."""
    if not _end(session, lease, GOING, "succeeded", result=dict(result), **NO_CHECKPOINT):
        return finish_cancelled(session, lease)
    session.execute(delete(previous_checkpoints).where(previous_checkpoints.c.job_id == lease.job_id))
    return True


def fail(session: Session, lease: Lease, error: Mapping[str, Any]) -> bool:
    """End the job with {code, category, message, hint}; or cancelled, as succeed. Whether the lease was held."""
    ended = _end(session, lease, GOING, "failed", error=dict(error))
    return ended or finish_cancelled(session, lease)


def finish_cancelled(session: Session, lease: Lease) -> bool:
    """End a job whose cancel was asked for; whether the lease was held."""
    return _end(session, lease, ("cancelling",), "cancelled")


def finish_paused(session: Session, lease: Lease) -> bool:
    """Let go of a job whose pause was asked for, until it is resumed; or cancelled, as succeed. Whether the lease was
    held."""
    values = LET_GO | {"state": "paused", "token": jobs.c.token + 1, "runtime_seconds": _runtime(lease)}
    row = transition(session, [*_held(lease), jobs.c.state == "pausing"], values, [entered("paused")])
    if row is None:
        return finish_cancelled(session, lease)
    close_attempt(session, row, "paused")
    return True


def _end(
    session: Session,
    lease: Lease,
    before: Sequence[State],
    after: str,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    **more: Any,
) -> bool:
    outcome = {"result": result, "error": error, "finished_at": from_now(), **more}
    values = LET_GO | outcome | {"state": after, "runtime_seconds": _runtime(lease)}
    new_events = [entered(after, error=error) if error else entered(after)]
    row = transition(session, [*_held(lease), jobs.c.state.in_(before)], values, new_events)
    if row is None:
        return False
    close_attempt(session, row, after, error)
    return True


def release(session: Session, lease: Lease) -> bool:
    """Give the job back to the queue because the worker stops; no crash is counted. A job whose pause or cancel was
    asked for ends so. Whether the lease was held."""
    values = LET_GO | {"state": "queued", "token": jobs.c.token + 1, "runtime_seconds": _runtime(lease)}
    new_events = [entered("queued", reason="the worker stopped")]
    row = transition(session, [*_held(lease), jobs.c.state == "running"], values, new_events)
    if row is None:
        return finish_paused(session, lease)
    close_attempt(session, row, "released")
    queue.put(session, lease.job_id)
    return True


def _held(lease: Lease) -> list[Condition]:
    return [jobs.c.id == lease.job_id, jobs.c.token == lease.token, jobs.c.state.in_(HELD)]


def _runtime(lease: Lease) -> Any:
    """The job's runtime up to now. Between two signs of life the holder of a lease has run no longer than the lease:
    more is a jump of the clock, as after a suspended machine wakes."""
    since = seconds_since(jobs.c.beat_at)
    most = lease.lease_seconds
    return jobs.c.runtime_seconds + case((since < 0, 0.0), (since > most, most), else_=since)
