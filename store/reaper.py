"""What happens to jobs whose worker has gone silent, is dead, or is on a host that cannot run them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from core.errors import InfrastructureError, RetortError, WorkerLost
from store import queue, workers
from store.clock import from_now
from store.leases import LET_GO
from store.states import HELD, Outcome
from store.tables import jobs
from store.transitions import Condition, close_attempt, entered, transition
from store.values import Lease

MOST_RETRY_SECONDS = 300.0


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


def bury(session: Session, dead: Sequence[tuple[str, int]], max_silences: int, retry_seconds: float = 0.0) -> list[str]:
    """Move the jobs of attempts, as (job id, token), whose worker is known to be dead, as `reap` does, without waiting
    for their leases; returns their ids. The workers are withdrawn."""
    moved = []
    for job_id, token in dead:
        held = [jobs.c.id == job_id, jobs.c.token == token, jobs.c.state.in_(HELD)]
        row = session.execute(select(jobs).where(*held).with_for_update()).first()
        if row is not None and _lose(session, row, _silence(row, max_silences), retry_seconds):
            workers.withdraw(session, row.owner)
            moved.append(job_id)
    return moved


def crashed(session: Session, lease: Lease, max_attempts: int, error: RetortError, retry_seconds: float = 0.0) -> bool:
    """The engine of a held lease died of `error`: the same transitions at once, but counted apart from silences, and
    failed with the code of `error` after `max_attempts`. Whether the lease was held."""
    row = _held(session, lease)
    return row is not None and _lose(
        session, row, _Loss("crashes", row.crashes + 1, max_attempts, error), retry_seconds
    )


def put_back(
    session: Session, lease: Lease, error: InfrastructureError, most: int, retry_seconds: float, *, at_once: bool
) -> bool:
    """The host of a held lease cannot run the job: the same transitions, counted apart from crashes, and failed with
    the code of `error` after `most`. `at_once`: another worker may try after the first such fault without a pause,
    because this one takes no more jobs. Whether the lease was held."""
    row = _held(session, lease)
    if row is None:
        return False
    loss = _Loss("host_faults", row.host_faults + 1, most, error, outcome="released", first_pauses=not at_once)
    return _lose(session, row, loss, retry_seconds)


def _held(session: Session, lease: Lease) -> Row[Any] | None:
    """The locked row of the job, where the lease is held."""
    held = [jobs.c.id == lease.job_id, jobs.c.token == lease.token, jobs.c.state.in_(HELD)]
    return session.execute(select(jobs).where(*held).with_for_update()).first()


@dataclass(frozen=True)
class _Loss:
    """An attempt that ended by itself: in which column it counts, the count with it, and the most that is allowed;
    whether the job pauses already after the first."""

    counter: str
    count: int
    most: int
    error: RetortError
    outcome: Outcome = "lost"
    first_pauses: bool = False

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
        after, values = "queued", values | {"run_after": _next_try(loss.count + loss.first_pauses, retry_seconds)}
    same = [jobs.c.id == row.id, jobs.c.token == row.token, jobs.c.state == row.state, *also]
    moved = transition(session, same, values | {"state": after}, [entered(after, reason=error["message"])])
    if moved is None:
        return False
    close_attempt(session, moved, loss.outcome, error)
    if after == "queued":
        queue.put(session, row.id)
    return True


def _next_try(count: int, retry_seconds: float) -> ColumnElement[datetime] | None:
    """At once after the first loss, which is mostly the machine's; then after pauses that double."""
    return from_now(min(retry_seconds * 2 ** min(count - 2, 20), MOST_RETRY_SECONDS)) if count > 1 else None
