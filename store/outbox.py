"""Messages that wait to be sent: one row for each queued job, in the same transaction that queued it.

The dispatcher sends what `dispatchable` names and then calls `mark_sent`; dying between the two sends a message twice,
which claim makes harmless. A message that was sent and not claimed within RESEND_SECONDS is sent again.
"""

from collections.abc import Iterable

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from core.spec.devices import EVERY, fits
from store.clock import from_now
from store.queue_order import by_turn, turns, within_limits
from store.states import Kind
from store.tables import jobs, outbox
from store.upsert import insert_or_replace
from store.values import Dispatch

RESEND_SECONDS = 60.0
_FIRST = select(outbox.c.job_id).limit(1)  # built once: it is asked several times a second


def put(session: Session, job_id: str) -> None:
    """Ask for a message for a job that has just been queued."""
    insert_or_replace(session, outbox, [{"job_id": job_id, "sent_at": None, "sends": 0}])


def take(session: Session, job_id: str) -> None:
    """Drop the message of a job that is no longer queued."""
    session.execute(delete(outbox).where(outbox.c.job_id == job_id))


def is_empty(session: Session) -> bool:
    """Whether nothing is queued: the cheapest look there is."""
    return session.execute(_FIRST).first() is None


def dispatchable(
    session: Session,
    *,
    limit: int,
    kind: Kind | None = None,
    num_gpus: int | None = None,
    resend_seconds: float = RESEND_SECONDS,
    max_running: int | None = None,
) -> list[Dispatch]:
    """Queued jobs whose message was never sent, or too long ago, in the order of store.queue_order. `num_gpus`: only
    those that a worker with so many can run, the others wait for another worker. `max_running`: of each tenant."""
    unsent = or_(outbox.c.sent_at.is_(None), outbox.c.sent_at < from_now(-resend_seconds))
    turn = turns(kind)
    wanted = select(jobs.c.id, jobs.c.kind).join(outbox, outbox.c.job_id == jobs.c.id)
    wanted = wanted.join(turn, turn.c.id == jobs.c.id)
    due = or_(jobs.c.run_after.is_(None), jobs.c.run_after <= from_now())
    wanted = wanted.where(jobs.c.state == "queued", unsent, due, within_limits(turn, max_running))
    if num_gpus is not None:
        too_much = [devices for devices in EVERY if not fits(devices, num_gpus)]
        wanted = wanted.where(jobs.c.spec["training"]["devices"].as_string().not_in(too_much))
    rows = session.execute(wanted.order_by(*by_turn(turn)).limit(limit))
    return [Dispatch(row.id, row.kind) for row in rows]


def mark_sent(session: Session, job_ids: Iterable[str]) -> None:
    """Say that the broker has taken the messages of these jobs."""
    sent = update(outbox).where(outbox.c.job_id.in_(list(job_ids)))
    session.execute(sent.values(sent_at=from_now(), sends=outbox.c.sends + 1))


def forget_sends(session: Session) -> int:
    """Send everything queued again: a broker that lives in the worker's memory starts empty. Returns how many."""
    sent = update(outbox).where(outbox.c.sent_at.is_not(None)).values(sent_at=None)
    count: int = session.execute(sent).rowcount
    return count
