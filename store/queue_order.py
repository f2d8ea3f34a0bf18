"""The order in which queued jobs start: a fair share for each tenant, and priority within a tenant.

The tenant with the fewest running jobs is served next, by its job of the highest priority, of equals by the oldest;
tenants with equally many go by priority, then by age. With one tenant this is the order by priority.

The queue is never read as a whole: its jobs stand in *lanes* (kind, devices, tenant, API key), and the index leads from
the first job of one lane to that of the next. So the cost grows with the number of lanes, not with that of the jobs.
"""

from functools import cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, Row, ScalarSelect, Subquery, and_, func, or_, select, true
from sqlalchemy.orm import Session

from core.spec.devices import EVERY, fits
from store.queue import is_due
from store.queue_table import queue
from store.states import HELD, Kind
from store.tables import api_keys, jobs

# On PostgreSQL other workers may be about to claim the first jobs of a lane: so many of each are looked at.
HEADS = 16
_LANE = (queue.c.devices, queue.c.tenant, queue.c.key_id)


def next_job(
    session: Session, kind: Kind, *, num_gpus: int | None = None, max_running: int | None = None, lock: bool = False
) -> Row[Any] | None:
    """The job (id, tenant, key_id) that starts next, None where none can.

    `num_gpus`: on a worker with so many; `max_running`: jobs of one tenant that may run at once. `lock`: held for the
    transaction, and none that another transaction holds.
    """
    lanes, by_tenant, by_key = _lanes(kind), _running(kind, jobs.c.tenant), _running(kind, jobs.c.key_id)
    running = func.coalesce(by_tenant.c.num_running, 0)
    wanted: Any = (
        select(jobs.c.id, jobs.c.tenant, jobs.c.key_id)
        .select_from(_with_heads(session, kind, lanes))
        .outerjoin(by_tenant, by_tenant.c.tenant == lanes.c.tenant)
        .outerjoin(by_key, by_key.c.key_id == lanes.c.key_id)
        .where(jobs.c.state == "queued", _is_allowed(lanes, func.coalesce(by_key.c.num_running, 0)))
        .order_by(running, jobs.c.priority.desc(), jobs.c.id)
        .limit(1)
    )
    if num_gpus is not None:
        wanted = wanted.where(lanes.c.devices.not_in(_too_much(num_gpus)))
    if max_running is not None:
        wanted = wanted.where(running < max_running)
    found: Row[Any] | None = session.execute(
        wanted.with_for_update(of=jobs, skip_locked=True) if lock else wanted
    ).first()
    return found


@cache
def _too_much(num_gpus: int) -> tuple[str, ...]:
    return tuple(devices for devices in EVERY if not fits(devices, num_gpus))


def _lanes(kind: Kind) -> CTE:
    """Each lane once."""
    order = (*_LANE, queue.c.precedence, queue.c.job_id)
    first = select(queue.c.job_id).where(queue.c.kind == kind).order_by(*order).limit(1).scalar_subquery()
    lanes = select(*_LANE).where(queue.c.job_id == first).cte("lanes", recursive=True)
    # One question for each column: SQLite compares only the first column of a tuple by the index.
    following = func.coalesce(*(_beyond(kind, lanes, column.name) for column in reversed(_LANE)))
    return lanes.union_all(select(*_LANE).select_from(lanes.join(queue, queue.c.job_id == following)))


def _beyond(kind: Kind, lanes: CTE, name: str) -> ScalarSelect[str]:
    """The first job whose lane has the same columns before `name`, and a greater value there."""
    following, names = queue.alias("following"), [column.name for column in _LANE]
    place = names.index(name)
    same = [following.c[one] == lanes.c[one] for one in names[:place]]
    wanted = select(following.c.job_id).where(following.c.kind == kind, *same, following.c[name] > lanes.c[name])
    order = [following.c[one] for one in (*names[place:], "precedence", "job_id")]
    return wanted.order_by(*order).limit(1).correlate(lanes).scalar_subquery()


def _with_heads(session: Session, kind: Kind, lanes: CTE) -> Any:
    """The lanes, joined with the jobs of each that start first."""
    in_lane = and_(*(queue.c[column.name] == lanes.c[column.name] for column in _LANE))
    heads = select(queue.c.job_id).where(queue.c.kind == kind, in_lane, is_due())
    heads = heads.order_by(queue.c.precedence, queue.c.job_id).correlate(lanes)
    if session.get_bind().dialect.name == "sqlite":  # has no LATERAL, and one writer at a time
        return lanes.join(jobs, jobs.c.id == heads.limit(1).scalar_subquery())
    several = heads.limit(HEADS).lateral("heads")
    return lanes.join(several, true()).join(jobs, jobs.c.id == several.c.job_id)


def _is_allowed(lanes: CTE, running: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether the key of the lane may have one more running job."""
    limit = select(api_keys.c.max_running_jobs).where(api_keys.c.id == lanes.c.key_id).scalar_subquery()
    return or_(limit.is_(None), running < limit)


def _running(kind: Kind, whose: Any) -> Subquery:
    running = select(whose, func.count().label("num_running")).where(jobs.c.kind == kind, jobs.c.state.in_(HELD))
    return running.group_by(whose).subquery()


def running_by_tenant(session: Session, kind: Kind) -> dict[str, int]:
    """How many jobs each tenant has running; tenants without any are left out."""
    running = _running(kind, jobs.c.tenant)
    rows = session.execute(select(running.c.tenant, running.c.num_running))
    return {row.tenant: row.num_running for row in rows}
