"""What happens to jobs whose worker has gone silent, and to what nobody needs any more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select
from sqlalchemy.orm import Session

from core.errors import RetortError, WorkerLost
from store import queue
from store.clock import from_now
from store.leases import LET_GO
from store.states import HELD, TERMINAL
from store.tables import jobs
from store.transitions import Condition, close_attempt, entered, transition
from store.values import Lease

MOST_RETRY_SECONDS = 300.0
PLAN_SECONDS = 3600.0  # a plan is read within seconds of its end


def reap(session: Session, max_silences: int, retry_seconds: float = 0.0) -> list[str]:
    """Move every job whose lease ran out by the database's clock; returns their ids.

    It is queued again with its checkpoint; or paused or cancelled where that was asked for; or failed (WORKER_LOST)
    where `max_silences` workers in a row went silent with no new checkpoint between. From the second on it first waits
    `retry_seconds`, doubled each time.
    """
    silent = select(jobs).where(jobs.c.state.in_(HELD), jobs.c.lease_until < from_now())
    rows = session.execute(silent.order_by(jobs.c.id).with_for_update(skip_locked=True)).all()
    expired = jobs.c.lease_until < from_now()
    return [row.id for row in rows if _lose(session, row, _silence(row, max_silences), retry_seconds, expired)]


def crashed(session: Session, lease: Lease, max_attempts: int, error: RetortError, retry_seconds: float = 0.0) -> bool:
    """The engine of a held lease died of `error`: the same transitions at once, but counted apart from silences, and
    failed with the code of `error` after `max_attempts`. Whether the lease was held."""
    held = [jobs.c.id == lease.job_id, jobs.c.token == lease.token, jobs.c.state.in_(HELD)]
    row = session.execute(select(jobs).where(*held).with_for_update()).first()
    return row is not None and _lose(
        session, row, _Loss("crashes", row.crashes + 1, max_attempts, error), retry_seconds
    )


@dataclass(frozen=True)
class _Loss:
    """An attempt that ended by itself: in which column it counts, the count with it, and the most that is allowed."""

    counter: str
    count: int
    most: int
    error: RetortError

    def as_json(self, message: str, hint: str) -> dict[str, Any]:
        return {"code": self.error.code, "category": self.error.category, "message": message, "hint": hint}


def _silence(row: Row[Any], max_silences: int) -> _Loss:
    hint = "look at the logs of the workers: their hosts may lose power, memory or the connection to the database"
    return _Loss("silences", row.silences + 1, max_silences, WorkerLost(f"worker {row.owner} went silent", hint=hint))


def _lose(session: Session, row: Row[Any], loss: _Loss, retry_seconds: float, *also: Condition) -> bool:
    error = loss.as_json(f"{loss.error.message} during attempt {row.attempt}", "")
    values = LET_GO | {"token": jobs.c.token + 1, loss.counter: loss.count}
    if row.state == "cancelling":
        after, values = "cancelled", values | {"finished_at": from_now()}
    elif loss.count >= loss.most:
        message = f"{loss.count} attempts in a row ended without a new checkpoint; the last: {loss.error.message}"
        error = loss.as_json(message, loss.error.hint)
        after, values = "failed", values | {"finished_at": from_now(), "error": error}
    elif row.state == "pausing":
        after = "paused"
    else:
        after, values = "queued", values | {"run_after": _next_try(loss.count, retry_seconds)}
    same = [jobs.c.id == row.id, jobs.c.token == row.token, jobs.c.state == row.state, *also]
    moved = transition(session, same, values | {"state": after}, [entered(after, reason=error["message"])])
    if moved is None:
        return False
    close_attempt(session, moved, "lost", error)
    if after == "queued":
        queue.put(session, row.id)
    return True


def _next_try(count: int, retry_seconds: float) -> ColumnElement[datetime] | None:
    """At once after the first loss, which is mostly the machine's; then after pauses that double."""
    return from_now(min(retry_seconds * 2 ** min(count - 2, 20), MOST_RETRY_SECONDS)) if count > 1 else None


def sweep_plans(session: Session, seconds: float = PLAN_SECONDS) -> int:
    """Remove plans that ended so long ago; returns how many."""
    old = [jobs.c.kind == "plan", jobs.c.state.in_(TERMINAL), jobs.c.finished_at < from_now(-seconds)]
    count: int = session.execute(delete(jobs).where(*old)).rowcount
    return count
