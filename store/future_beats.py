"""Jobs whose last sign of life lies in the future: the database's clock went back since then, and their leases, which
end by that clock, would outlive a dead worker by as long as it went back."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from store.clock import from_now
from store.states import HELD
from store.tables import jobs

TOLERANCE_SECONDS = 1.0
Holder = tuple[str, int]  # a job's id and the token of its lease


def find(session: Session) -> set[Holder]:
    """Who held a job before the clock went back and has given no sign of life since."""
    return {(row.id, row.token) for row in session.execute(select(jobs.c.id, jobs.c.token).where(*_ahead()))}


def end_leases(session: Session, holders: Collection[Holder]) -> None:
    """Let the leases of those end that have still given none: reaper.reap moves their jobs."""
    for job_id, token in holders:
        mine = (jobs.c.id == job_id, jobs.c.token == token, *_ahead())
        session.execute(update(jobs).where(*mine).values(lease_until=from_now(-1.0)))


def _ahead() -> tuple[ColumnElement[bool], ...]:
    return jobs.c.state.in_(HELD), jobs.c.beat_at > from_now(TOLERANCE_SECONDS)
