"""A client's side of a job: submit, look, cancel, pause, resume, retry, delete. The worker's side is store.leases."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, insert, select, union_all
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session
from ulid import ULID

from core.spec import JobSpec
from store import job_rows, queue, quotas, warnings
from store.callers import DEFAULT_TENANT, Caller, Limits
from store.clock import from_now
from store.errors import IdempotencyConflict, IllegalTransition, JobNotFound
from store.job_rows import load
from store.queue_table import queue as queue_table
from store.states import TERMINAL, Kind, State
from store.tables import artifacts, idempotency_keys, job_labels, jobs
from store.transitions import Condition, append, entered, transition
from store.upsert import insert_if_new
from store.values import Job, JobWarning, Page, Standing, Submitted

# Who submits past the API, such as a script on the server.
OPERATOR = Caller(DEFAULT_TENANT, "operator", "admin")
UNLIMITED = Limits()
NO_LOSSES = {"crashes": 0, "silences": 0, "host_faults": 0, "run_after": None}


def submit(
    session: Session,
    spec: JobSpec,
    *,
    kind: Kind = "job",
    idempotency_key: str | None = None,
    body_sha256: str | None = None,
    found: Sequence[JobWarning] = (),
    caller: Caller = OPERATOR,
    of_tenant: Limits = UNLIMITED,
) -> Submitted:
    """Store a new job of the caller's tenant, queued.

    Raises QuotaExceeded where the caller's limits, or those of its tenant in `of_tenant`, allow no further job.
    An idempotency key that was seen with the same body gives its job back; with another body it raises
    IdempotencyConflict. `body_sha256` defaults to that of the spec. `found` are warnings about the spec itself.
    """
    job_id = f"job_{ULID()}"
    if idempotency_key is not None:
        digest = body_sha256 or hashlib.sha256(spec.model_dump_json().encode()).hexdigest()
        known = _reserve(session, caller.tenant, idempotency_key, digest, job_id)
        if known is not None:
            return Submitted(get(session, known), created=False)
    quotas.check_submit(session, caller, of_tenant)
    _insert(session, job_id, spec, kind, found, caller)
    return Submitted(get(session, job_id), created=True)


def is_known(session: Session, idempotency_key: str, tenant: str = DEFAULT_TENANT) -> bool:
    """Whether a job of the tenant was made under this key."""
    here = (idempotency_keys.c.tenant == tenant, idempotency_keys.c.key == idempotency_key)
    return session.execute(select(idempotency_keys.c.key).where(*here)).first() is not None


def _reserve(session: Session, tenant: str, key: str, digest: str, job_id: str) -> str | None:
    """Take the key for `job_id`; or the id of the job that has it. A parallel taker is waited for."""
    row = {"tenant": tenant, "key": key, "body_sha256": digest, "job_id": job_id, "created_at": from_now()}
    if insert_if_new(session, idempotency_keys, row):
        return None
    here = (idempotency_keys.c.tenant == tenant, idempotency_keys.c.key == key)
    taken = session.execute(select(idempotency_keys).where(*here)).one()
    owner: str = taken.job_id
    if taken.body_sha256 != digest:
        raise IdempotencyConflict(key, owner)
    return owner


def _insert(
    session: Session, job_id: str, spec: JobSpec, kind: Kind, found: Sequence[JobWarning], caller: Caller
) -> None:
    new_events = [entered("queued"), *warnings.as_events(found)]
    row = {
        **{"id": job_id, "kind": kind, "name": spec.name, "priority": spec.priority, "state": "queued"},
        **{"spec": spec.model_dump(mode="json"), "created_at": from_now(), "last_seq": len(new_events)},
        **{"tenant": caller.tenant, "key_id": caller.key_id},
    }
    session.execute(insert(jobs).values(row))
    labels = [{"job_id": job_id, "key": key, "value": value} for key, value in spec.labels.items()]
    if labels:
        session.execute(insert(job_labels), labels)
    append(session, job_id, 0, len(new_events), new_events)
    warnings.keep(session, job_id, 0, len(new_events), found)
    queue.put(session, job_id)


def get(session: Session, job_id: str) -> Job:
    """The job as it stands; raises JobNotFound."""
    row = session.execute(select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        raise JobNotFound(job_id)
    return load(session, [row])[0]


def check_owner(session: Session, job_id: str, tenant: str) -> None:
    """Raise JobNotFound unless the job belongs to the tenant: another tenant's job looks like one that never was."""
    wanted = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.tenant == tenant)
    if session.execute(wanted).first() is None:
        raise JobNotFound(job_id)


def version(session: Session, job_id: str) -> int:
    """The job's version alone, for cheap polling; raises JobNotFound."""
    wanted = select(jobs.c.version).where(jobs.c.id == job_id)
    found: int | None = session.execute(wanted).scalar_one_or_none()
    if found is None:
        raise JobNotFound(job_id)
    return found


def standing(session: Session, job_id: str) -> Standing:
    """What changes in the job, for cheap polling; raises JobNotFound."""
    columns = (jobs.c.id, jobs.c.kind, jobs.c.tenant, jobs.c.state, jobs.c.version, jobs.c.runtime_seconds)
    wanted = select(*columns, jobs.c.run_after, queue_table.c.devices)
    wanted = wanted.select_from(jobs.outerjoin(queue_table, queue_table.c.job_id == jobs.c.id))
    row: Any = session.execute(wanted.where(jobs.c.id == job_id)).first()
    if row is None:
        raise JobNotFound(job_id)
    return job_rows.standing(session, row)


def list_jobs(
    session: Session,
    *,
    states: Sequence[State] = (),
    labels: Mapping[str, str] | None = None,
    limit: int = 20,
    after: str | None = None,
    tenant: str = DEFAULT_TENANT,
) -> Page:
    """Jobs of a tenant, newest first, that are in one of the states and carry all of the labels; plans are left out.

    `after` is the cursor of an earlier page: jobs that arrive in between never shift the next one.
    """
    wanted = [jobs.c.tenant == tenant, jobs.c.kind == "job"]
    for key, value in (labels or {}).items():
        carriers = select(job_labels.c.job_id).where(job_labels.c.key == key, job_labels.c.value == value)
        wanted.append(jobs.c.id.in_(carriers))
    if after is not None:
        wanted.append(jobs.c.id < after)
    query = select(jobs).where(*wanted) if not states else _newest_in(states, wanted, limit + 1)
    rows = session.execute(query.order_by(jobs.c.id.desc()).limit(limit + 1)).all()
    shown = load(session, rows[:limit])
    has_more = len(rows) > limit
    return Page(tuple(shown), has_more, shown[-1].id if has_more else None)


def _newest_in(states: Sequence[State], wanted: Sequence[Condition], limit: int) -> Select[Any]:
    """The newest of each state: an index has each state in order, however many jobs are in the others."""
    parts = [select(jobs.c.id).where(*wanted, jobs.c.state == state) for state in dict.fromkeys(states)]
    newest = [select(part.order_by(jobs.c.id.desc()).limit(limit).subquery()) for part in parts]
    return select(jobs).where(jobs.c.id.in_(union_all(*newest)))


def request_cancel(session: Session, job_id: str) -> Job:
    """Cancel a queued or paused job at once, ask the worker of a running one; twice is once. Raises
    IllegalTransition."""
    state = _lock(session, job_id)
    if state in TERMINAL:
        raise IllegalTransition(job_id, state, "cancel", "only a job that has not ended can be cancelled")
    here = [jobs.c.id == job_id, jobs.c.state == state]
    # Read once: a clock that is asked twice in a statement gives two answers.
    now = session.execute(select(from_now())).scalar_one()
    asked = {"cancel_requested_at": now}
    if state in ("queued", "paused"):
        transition(session, here, {**asked, "state": "cancelled", "finished_at": now}, [entered("cancelled")])
        queue.take(session, job_id)
    elif state in ("running", "pausing"):
        transition(session, here, {**asked, "state": "cancelling"}, [entered("cancelling")])
    return get(session, job_id)


def request_pause(session: Session, job_id: str) -> Job:
    """Hold a queued job, ask the worker of a running one for a checkpoint; twice is once. Raises IllegalTransition."""
    state = _lock(session, job_id)
    if state in (*TERMINAL, "cancelling"):
        raise IllegalTransition(job_id, state, "pause", "only a queued or running job can be paused")
    here = [jobs.c.id == job_id, jobs.c.state == state]
    if state == "queued":
        transition(session, here, {"state": "paused"}, [entered("paused")])
        queue.take(session, job_id)
    elif state == "running":
        transition(session, here, {"state": "pausing"}, [entered("pausing")])
    return get(session, job_id)


def request_resume(session: Session, job_id: str) -> Job:
    """Queue a paused job again; it goes on from its checkpoint. Raises IllegalTransition."""
    state = _lock(session, job_id)
    if state != "paused":
        reason = "wait until it is paused" if state == "pausing" else "only a paused job can be resumed"
        raise IllegalTransition(job_id, state, "resume", reason)
    here = [jobs.c.id == job_id, jobs.c.state == state]
    transition(session, here, {"state": "queued", "run_after": None}, [entered("queued", reason="resumed")])
    queue.put(session, job_id)
    return get(session, job_id)


def retry(session: Session, job_id: str) -> Job:
    """Queue a failed or cancelled job again, from its checkpoint, its runtime and crashes counted afresh."""
    state = _lock(session, job_id)
    if state not in ("failed", "cancelled"):
        raise IllegalTransition(job_id, state, "retry", "only a failed or cancelled job can be retried")
    fresh = {"error": None, "result": None, "progress": None, "finished_at": None, "cancel_requested_at": None}
    values = {"state": "queued", **NO_LOSSES, "runtime_seconds": 0.0, **fresh}
    transition(session, [jobs.c.id == job_id, jobs.c.state == state], values, [entered("queued")])
    session.execute(delete_rows(artifacts).where(artifacts.c.job_id == job_id))
    warnings.forget(session, job_id)
    queue.put(session, job_id)
    return get(session, job_id)


def delete(session: Session, job_id: str) -> None:
    """Remove a job that has ended and all that hangs on it; its blobs go with the next blobs.collect_garbage."""
    state = _lock(session, job_id)
    if state not in TERMINAL:
        raise IllegalTransition(job_id, state, "delete", "cancel it first")
    session.execute(delete_rows(jobs).where(jobs.c.id == job_id, jobs.c.state == state))


def _lock(session: Session, job_id: str) -> State:
    """The job's state, held still until the transaction ends (SQLite's writers are alone from their BEGIN)."""
    wanted = select(jobs.c.state).where(jobs.c.id == job_id).with_for_update()
    state: State | None = session.execute(wanted).scalar_one_or_none()
    if state is None:
        raise JobNotFound(job_id)
    return state
