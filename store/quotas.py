"""The share of a tenant and of a key: how many jobs wait, and how many bytes are stored."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from store.callers import Caller, Limits
from store.dataset_tables import datasets
from store.errors import QuotaExceeded
from store.tables import artifacts, jobs


def check_submit(session: Session, caller: Caller, of_tenant: Limits) -> None:
    """Raise QuotaExceeded where one more job would be above a limit of the caller's tenant or of its key.

    Call it in the transaction that adds the job: submissions of one tenant wait for each other there.
    """
    _lock(session, caller.tenant)
    for whose, column, value, limits in _shares(caller, of_tenant):
        _check_queued(session, jobs.c[column] == value, limits, whose)
        _check_stored(session, column, value, limits, whose)


def check_upload(session: Session, caller: Caller, of_tenant: Limits, size_bytes: int) -> None:
    """Raise QuotaExceeded where a dataset of this size would be above a limit of the caller's tenant or of its key.

    Call it in the transaction that begins the upload.
    """
    _lock(session, caller.tenant)
    for whose, column, value, limits in _shares(caller, of_tenant):
        _check_stored(session, column, value, limits, whose, more=size_bytes)


def stored_bytes(session: Session, column: str, value: str) -> int:
    """The bytes of the artifacts and of the uploaded datasets of a tenant or of a key, which `column` (tenant or
    key_id) and `value` name. Content that several jobs share counts for each.
    """
    of_jobs = select(func.coalesce(func.sum(artifacts.c.size_bytes), 0)).join(jobs, jobs.c.id == artifacts.c.job_id)
    uploaded = select(func.coalesce(func.sum(datasets.c.size_bytes), 0)).where(datasets.c[column] == value)
    wanted = (of_jobs.where(jobs.c[column] == value), uploaded)
    return sum(int(session.execute(each).scalar_one()) for each in wanted)


def _shares(caller: Caller, of_tenant: Limits) -> Iterator[tuple[str, str, str, Limits]]:
    """Whose share, the column and the value that find what it holds, and its limits."""
    yield f"tenant {caller.tenant!r}", "tenant", caller.tenant, of_tenant
    if caller.key_id is not None:
        yield f"key {caller.key_id}", "key_id", caller.key_id, caller.limits


def _check_queued(session: Session, where: Any, limits: Limits, whose: str) -> None:
    if limits.max_queued_jobs is not None:
        count = select(func.count()).select_from(jobs).where(where, jobs.c.state == "queued")
        queued = session.execute(count).scalar_one()
        if queued >= limits.max_queued_jobs:
            hint = "submit again when one of them has started"
            raise QuotaExceeded(f"{whose} has {queued} queued jobs; allowed are {limits.max_queued_jobs}", hint=hint)


def _check_stored(session: Session, column: str, value: str, limits: Limits, whose: str, more: int = 1) -> None:
    if limits.max_stored_bytes is not None:
        stored = stored_bytes(session, column, value)
        if stored + more > limits.max_stored_bytes:
            detail = f"{whose} stores {stored} bytes of artifacts and datasets; allowed are {limits.max_stored_bytes}"
            raise QuotaExceeded(detail, hint="delete jobs and datasets that are no longer needed")


def _lock(session: Session, tenant: str) -> None:
    """PostgreSQL lets two transactions count at once; SQLite's writers are alone from their BEGIN."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(literal(f"retort tenant {tenant}")))))
