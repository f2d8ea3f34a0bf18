"""The share of a tenant and of a key: how many jobs wait, and how many bytes are stored."""

from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from store.callers import Caller, Limits
from store.errors import QuotaExceeded
from store.tables import artifacts, blobs, jobs, previous_checkpoints


def check_submit(session: Session, caller: Caller, of_tenant: Limits) -> None:
    """Raise QuotaExceeded where one more job would be above a limit of the caller's tenant or of its key.

    Call it in the transaction that adds the job: submissions of one tenant wait for each other there.
    """
    _lock(session, caller.tenant)
    _check(session, jobs.c.tenant == caller.tenant, of_tenant, f"tenant {caller.tenant!r}")
    if caller.key_id is not None:
        _check(session, jobs.c.key_id == caller.key_id, caller.limits, f"key {caller.key_id}")


def stored_bytes(session: Session, where: Any) -> int:
    """The bytes of the artifacts and of the checkpoints that are kept of the jobs that fit `where`.

    Content that several jobs share counts for each.
    """
    of_artifacts = select(_sum(artifacts.c.size_bytes)).join(jobs, jobs.c.id == artifacts.c.job_id)
    of_checkpoints = select(_sum(blobs.c.size_bytes)).join(jobs, jobs.c.checkpoint_sha256 == blobs.c.sha256)
    of_previous = (
        select(_sum(blobs.c.size_bytes))
        .join(previous_checkpoints, previous_checkpoints.c.sha256 == blobs.c.sha256)
        .join(jobs, jobs.c.id == previous_checkpoints.c.job_id)
    )
    parts = (of_artifacts, of_checkpoints, of_previous)
    return sum(int(session.execute(part.where(where)).scalar_one()) for part in parts)


def _sum(sizes: Any) -> Any:
    return func.coalesce(func.sum(sizes), 0)


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
            detail = (
                f"{whose} stores {stored} bytes of artifacts and checkpoints; allowed are {limits.max_stored_bytes}"
            )
            raise QuotaExceeded(detail, hint="delete jobs that are no longer needed")


def _lock(session: Session, tenant: str) -> None:
    """PostgreSQL lets two transactions count at once; SQLite's writers are alone from their BEGIN."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(literal(f"retort tenant {tenant}")))))
