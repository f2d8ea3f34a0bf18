"""The share of a tenant and of a key: how many jobs wait and run, and how many bytes are stored."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Table, func, literal, select
from sqlalchemy.orm import Session

from store.callers import Caller, Limits
from store.dataset_tables import datasets
from store.errors import QuotaExceeded
from store.queue_table import queue
from store.states import HELD, KINDS, Kind
from store.tables import api_keys, artifacts, blobs, jobs, previous_checkpoints


def check_submit(session: Session, caller: Caller, of_tenant: Limits) -> None:
    """Raise QuotaExceeded where one more job would be above a limit of the caller's tenant or of its key.

    Call it in the transaction that adds the job: submissions of one tenant wait for each other there.
    """
    _lock(session, caller.tenant)
    for key_id, limits, whose in _shares(caller, of_tenant):
        _check_queued(session, caller.tenant, key_id, limits, whose)
        _check_stored(session, caller.tenant, key_id, limits, whose, more=1)


def check_upload(session: Session, caller: Caller, of_tenant: Limits) -> None:
    """Raise QuotaExceeded where what the caller's tenant or its key stores is above a limit.

    Call it in the transaction that begins an upload, after it: the size of the dataset counts from then on.
    """
    _lock(session, caller.tenant)
    for key_id, limits, whose in _shares(caller, of_tenant):
        _check_stored(session, caller.tenant, key_id, limits, whose, more=0)


def may_run(session: Session, kind: Kind, tenant: str, key_id: str | None, most: int | None) -> bool:
    """Whether one more job of the kind may run, of the tenant (`most`) and of its key. Call it in the transaction that
    claims the job: claims of one tenant wait for each other there, where there is a limit."""
    of_key = select(api_keys.c.max_running_jobs).where(api_keys.c.id == key_id)
    most_of_key = session.execute(of_key).scalar_one_or_none() if key_id else None
    if most is None and most_of_key is None:
        return True
    _lock(session, tenant)
    return _is_below(session, kind, jobs.c.tenant == tenant, most) and _is_below(
        session, kind, jobs.c.key_id == key_id, most_of_key
    )


def _is_below(session: Session, kind: Kind, where: Any, most: int | None) -> bool:
    running = select(func.count()).select_from(jobs).where(where, jobs.c.kind == kind, jobs.c.state.in_(HELD))
    return most is None or session.execute(running).scalar_one() < most


def stored_bytes(session: Session, tenant: str, key_id: str | None = None) -> int:
    """The bytes of the artifacts, of the checkpoints that are kept, and of the uploaded datasets of a tenant, or of one
    of its keys. Content that several of them share counts for each.
    """
    of_artifacts = select(_sum(artifacts.c.size_bytes)).join(jobs, jobs.c.id == artifacts.c.job_id)
    of_checkpoints = select(_sum(blobs.c.size_bytes)).join(jobs, jobs.c.checkpoint_sha256 == blobs.c.sha256)
    of_previous = (
        select(_sum(blobs.c.size_bytes))
        .join(previous_checkpoints, previous_checkpoints.c.sha256 == blobs.c.sha256)
        .join(jobs, jobs.c.id == previous_checkpoints.c.job_id)
    )
    of_jobs = [part.where(*_share(jobs, tenant, key_id)) for part in (of_artifacts, of_checkpoints, of_previous)]
    uploaded = select(_sum(datasets.c.size_bytes)).where(*_share(datasets, tenant, key_id))
    return sum(int(session.execute(part).scalar_one()) for part in (*of_jobs, uploaded))


def _sum(sizes: Any) -> Any:
    return func.coalesce(func.sum(sizes), 0)


def _share(table: Table, tenant: str, key_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return (table.c.tenant == tenant, *(() if key_id is None else (table.c.key_id == key_id,)))


def _shares(caller: Caller, of_tenant: Limits) -> Iterator[tuple[str | None, Limits, str]]:
    """The key (None: the whole tenant), the limits, and whose share it is in words."""
    yield None, of_tenant, f"tenant {caller.tenant!r}"
    if caller.key_id is not None:
        yield caller.key_id, caller.limits, f"key {caller.key_id}"


def _check_queued(session: Session, tenant: str, key_id: str | None, limits: Limits, whose: str) -> None:
    of_key = () if key_id is None else (queue.c.key_id == key_id,)
    if limits.max_queued_jobs is not None:
        some = select(queue.c.job_id).where(queue.c.tenant == tenant, queue.c.kind.in_(KINDS), *of_key)
        some = some.limit(limits.max_queued_jobs)  # a longer queue costs no more
        queued = session.execute(select(func.count()).select_from(some.subquery())).scalar_one()
        if queued >= limits.max_queued_jobs:
            hint = "submit again when one of them has started"
            raise QuotaExceeded(f"{whose} has {queued} queued jobs; allowed are {limits.max_queued_jobs}", hint=hint)


def _check_stored(session: Session, tenant: str, key_id: str | None, limits: Limits, whose: str, *, more: int) -> None:
    """Raise QuotaExceeded where there is no room for `more` bytes."""
    if limits.max_stored_bytes is None:
        return
    stored = stored_bytes(session, tenant, key_id)
    if stored + more > limits.max_stored_bytes:
        what = "artifacts, checkpoints and datasets"
        detail = f"{whose} stores {stored} bytes of {what}; allowed are {limits.max_stored_bytes}"
        raise QuotaExceeded(detail, hint="delete jobs and datasets that are no longer needed")


def _lock(session: Session, tenant: str) -> None:
    """PostgreSQL lets two transactions count at once; SQLite's writers are alone from their BEGIN."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(literal(f"retort tenant {tenant}")))))
