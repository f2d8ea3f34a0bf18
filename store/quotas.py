"""The share of a tenant and of a key: how many jobs wait, and how many bytes are stored."""

from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from store.callers import Caller, Limits
from store.errors import QuotaExceeded
from store.tables import artifacts, jobs


def check_submit(session: Session, caller: Caller, of_tenant: Limits) -> None:
    """Raise QuotaExceeded where one more job would be above a limit of the caller's tenant or of its key.

    Call it in the transaction that adds the job: submissions of one tenant wait for each other there.
    """
    _lock(session, caller.tenant)
    _check(session, jobs.c.tenant == caller.tenant, of_tenant, f"tenant {caller.tenant!r}")
    if caller.key_id is not None:
        _check(session, jobs.c.key_id == caller.key_id, caller.limits, f"key {caller.key_id}")


def stored_bytes(session: Session, where: Any) -> int:
    """The bytes of the artifacts of the jobs that fit `where`. Content that several jobs share counts for each."""
    size = select(func.coalesce(func.sum(artifacts.c.size_bytes), 0)).join(jobs, jobs.c.id == artifacts.c.job_id)
    return int(session.execute(size.where(where)).scalar_one())


def _check(session: Session, where: Any, limits: Limits, whose: str) -> None:
    if limits.max_queued_jobs is not None:
        count = select(func.count()).select_from(jobs).where(where, jobs.c.state == "queued")
        queued = session.execute(count).scalar_one()
        if queued >= limits.max_queued_jobs:
            hint = "submit again when one of them has started"
            raise QuotaExceeded(f"{whose} has {queued} queued jobs; allowed are {limits.max_queued_jobs}", hint=hint)
    if limits.max_stored_bytes is not None:
        stored = stored_bytes(session, where)
        if stored >= limits.max_stored_bytes:
            detail = f"{whose} stores {stored} bytes of artifacts; allowed are {limits.max_stored_bytes}"
            raise QuotaExceeded(detail, hint="delete jobs that are no longer needed")


def _lock(session: Session, tenant: str) -> None:
    """PostgreSQL lets two transactions count at once; SQLite's writers are alone from their BEGIN."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(literal(f"retort tenant {tenant}")))))
