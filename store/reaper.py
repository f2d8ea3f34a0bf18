"""What happens to jobs whose worker has gone silent, and to what nobody needs any more."""

from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.orm import Session

from core.errors import WorkerLost
from store import outbox
from store.clock import from_now
from store.leases import LET_GO
from store.states import HELD, TERMINAL
from store.tables import jobs
from store.transitions import Condition, close_attempt, entered, transition
from store.values import Lease

PLAN_SECONDS = 3600.0  # a plan is read within seconds of its end


def reap(session: Session, max_attempts: int) -> list[str]:
    """Move every job whose lease ran out by the database's clock; returns their ids.

    It is queued again with its checkpoint; or paused or cancelled where that was asked for; or failed (WORKER_LOST)
    where `max_attempts` workers in a row died on it with no new checkpoint between.
    """
    silent = select(jobs).where(jobs.c.state.in_(HELD), jobs.c.lease_until < from_now())
    rows = session.execute(silent.order_by(jobs.c.id).with_for_update(skip_locked=True)).all()
    expired = jobs.c.lease_until < from_now()
    return [row.id for row in rows if _lose(session, row, max_attempts, f"worker {row.owner} went silent", expired)]


def crashed(session: Session, lease: Lease, max_attempts: int, how: str) -> bool:
    """The engine of a held lease died, `how` says why: the same transitions at once. Whether the lease was held."""
    held = [jobs.c.id == lease.job_id, jobs.c.token == lease.token, jobs.c.state.in_(HELD)]
    row = session.execute(select(jobs).where(*held).with_for_update()).first()
    return row is not None and _lose(session, row, max_attempts, how)


def _lose(session: Session, row: Row[Any], max_attempts: int, how: str, *also: Condition) -> bool:
    crashes = row.crashes + 1
    lost = {"code": WorkerLost.code, "category": WorkerLost.category}
    error = lost | {"message": f"{how} during attempt {row.attempt}", "hint": ""}
    values = LET_GO | {"token": jobs.c.token + 1, "crashes": crashes}
    if row.state == "cancelling":
        after, values = "cancelled", values | {"finished_at": from_now()}
    elif crashes >= max_attempts:
        error["message"] = f"{crashes} attempts in a row died without a new checkpoint; the last: {how}"
        error["hint"] = "look at the logs of the attempts: the job may need more memory than its workers have"
        after, values = "failed", values | {"finished_at": from_now(), "error": error}
    else:
        after = "paused" if row.state == "pausing" else "queued"
    same = [jobs.c.id == row.id, jobs.c.token == row.token, jobs.c.state == row.state, *also]
    moved = transition(session, same, values | {"state": after}, [entered(after, reason=error["message"])])
    if moved is None:
        return False
    close_attempt(session, moved, "lost", error)
    if after == "queued":
        outbox.put(session, row.id)
    return True


def sweep_plans(session: Session, seconds: float = PLAN_SECONDS) -> int:
    """Remove plans that ended so long ago; returns how many."""
    old = [jobs.c.kind == "plan", jobs.c.state.in_(TERMINAL), jobs.c.finished_at < from_now(-seconds)]
    count: int = session.execute(delete(jobs).where(*old)).rowcount
    return count
