"""The order in which queued jobs start: a fair share for each tenant, and priority within a tenant.

A job's *turn* is how many jobs of its tenant would run if it started: those that run now, plus its place among the
tenant's queued jobs (by priority, then the oldest first). The lowest turn goes first, so the tenant that has the fewest
jobs running is served next; equal turns go by priority, then by age. With one tenant this is the order by priority.
"""

from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from store.clock import from_now
from store.states import HELD, Kind
from store.tables import api_keys, jobs


def turns(kind: Kind | None) -> Subquery:
    """For each queued job, of one kind or of all: its `turn` in its tenant, its `key_turn` among those of its key."""
    by_tenant, by_key = _running(jobs.c.tenant), _running(jobs.c.key_id)
    # One that may not run yet, after a loss, holds back none of the others.
    waits = case((jobs.c.run_after > from_now(), 1), else_=0)
    order = (waits, jobs.c.priority.desc(), jobs.c.id)
    place = func.row_number().over(partition_by=(jobs.c.kind, jobs.c.tenant), order_by=order)
    key_place = func.row_number().over(partition_by=(jobs.c.kind, jobs.c.key_id), order_by=order)
    of_kind = () if kind is None else (jobs.c.kind == kind,)
    return (
        select(
            jobs.c.id,
            jobs.c.priority,
            jobs.c.key_id,
            (place + func.coalesce(by_tenant.c.num_running, 0)).label("turn"),
            (key_place + func.coalesce(by_key.c.num_running, 0)).label("key_turn"),
        )
        .select_from(jobs)
        .outerjoin(by_tenant, and_(by_tenant.c.tenant == jobs.c.tenant, by_tenant.c.kind == jobs.c.kind))
        .outerjoin(by_key, and_(by_key.c.key_id == jobs.c.key_id, by_key.c.kind == jobs.c.kind))
        .where(jobs.c.state == "queued", *of_kind)
        .subquery("turns")
    )


def _running(whose: Any) -> Subquery:
    running = select(whose, jobs.c.kind, func.count().label("num_running")).where(jobs.c.state.in_(HELD))
    return running.group_by(whose, jobs.c.kind).subquery()


def by_turn(of: Subquery) -> tuple[Any, ...]:
    """The ORDER BY of the queue."""
    return of.c.turn, of.c.priority.desc(), of.c.id


def within_limits(of: Subquery, max_running: int | None) -> ColumnElement[bool]:
    """The condition of jobs that may start: neither tenant nor key would have more running jobs than it is allowed."""
    key_limit = select(api_keys.c.max_running_jobs).where(api_keys.c.id == of.c.key_id).scalar_subquery()
    of_key = or_(of.c.key_id.is_(None), key_limit.is_(None), of.c.key_turn <= key_limit)
    return of_key if max_running is None else and_(of_key, of.c.turn <= max_running)


def positions(session: Session, kind: Kind, tenant: str, ids: list[str]) -> dict[str, int]:
    """The places in the queue of queued jobs of one kind and tenant: 1 is next."""
    others = or_(_queued(kind, jobs.c.tenant < tenant), _queued(kind, jobs.c.tenant > tenant))
    query = _shared(kind) if session.execute(select(others)).scalar_one() else _alone(kind, tenant)
    found = query.subquery()
    rows = session.execute(select(found.c.id, found.c.position).where(found.c.id.in_(ids)))
    return {row.id: row.position for row in rows}


def _queued(kind: Kind, tenant: ColumnElement[bool]) -> ColumnElement[bool]:
    """Two of these ask the index for a neighbour; "another tenant" would read the whole queue."""
    return exists().where(jobs.c.kind == kind, jobs.c.state == "queued", tenant)


def _shared(kind: Kind) -> Any:
    turn = turns(kind)
    return select(turn.c.id, func.row_number().over(order_by=by_turn(turn)).label("position"))


def _alone(kind: Kind, tenant: str) -> Any:
    """The queue of the only tenant that has jobs in it: the index alone answers how many are ahead."""
    ahead = jobs.alias("ahead")
    same_priority = and_(ahead.c.priority == jobs.c.priority, ahead.c.id < jobs.c.id)
    sooner = or_(ahead.c.priority > jobs.c.priority, same_priority)
    before = (ahead.c.kind == kind, ahead.c.state == "queued", ahead.c.tenant == tenant, sooner)
    position = select(func.count()).select_from(ahead).where(*before).scalar_subquery() + 1
    return select(jobs.c.id, position.label("position"))
