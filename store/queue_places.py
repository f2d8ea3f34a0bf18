"""The places of queued jobs: how many others start before each, by the order of store.queue_order.

A job's *turn* is how many jobs of its tenant run once it has started: those that run now, plus its rank among the
tenant's queued jobs. Lower turns start first; equal turns go by priority, then by age.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, ScalarSelect, and_, func, select, true
from sqlalchemy.orm import Session

from store.queue_order import running_by_tenant
from store.queue_table import queue
from store.states import Kind

MOST = 1000  # places are counted up to here, so that a long queue costs no more than a short one


def positions(session: Session, kind: Kind, tenant: str, ids: list[str]) -> dict[str, int]:
    """The places in the queue of queued jobs of one kind and tenant: 1 is next; MOST stands for all from there on."""
    ranks = _ranks(session, kind, tenant, ids)
    found = {job_id: min(rank, MOST) for job_id, rank in ranks.items()}
    near = [job_id for job_id, rank in ranks.items() if rank < MOST]
    others = _others(session, kind, tenant, near) if near else []
    running = running_by_tenant(session, kind) if others else {}
    for other in others:
        turn = running.get(tenant, 0) + ranks[other.job_id]
        earlier = turn - 1 - running.get(other.tenant, 0)  # so many of its jobs have a lower turn, if it has so many
        # Of the same turn is the next one after those: is it sorted before this job?
        ahead = min(max(earlier, 0), other.num_jobs) + (0 <= earlier < other.num_before)
        found[other.job_id] = min(found[other.job_id] + ahead, MOST)
    return found


def _ranks(session: Session, kind: Kind, tenant: str, ids: list[str]) -> dict[str, int]:
    """The rank of each job among those of its tenant: 1 is the first, counted up to MOST + 1."""
    num_ahead = _count_before(kind, tenant, queue)
    rows = session.execute(select(queue.c.job_id, num_ahead.label("num_ahead")).where(queue.c.job_id.in_(ids)))
    return {row.job_id: row.num_ahead + 1 for row in rows}


def _others(session: Session, kind: Kind, tenant: str, ids: list[str]) -> Sequence[Any]:
    """For each job and each other tenant: how many jobs that one has queued, and how many sorted before this job."""
    of_kind = queue.c.kind == kind
    tenants = select(func.min(queue.c.tenant).label("tenant")).where(of_kind).cte("tenants", recursive=True)
    following = select(func.min(queue.c.tenant)).where(of_kind, queue.c.tenant > tenants.c.tenant).correlate(tenants)
    tenants = tenants.union_all(select(following.scalar_subquery()).where(tenants.c.tenant.is_not(None)))
    num_jobs = _count(kind, tenants.c.tenant, true(), tenants)
    num_before = _count_before(kind, tenants.c.tenant, tenants, queue)
    wanted = select(queue.c.job_id, tenants.c.tenant, num_jobs.label("num_jobs"), num_before.label("num_before"))
    wanted = wanted.select_from(queue.join(tenants, tenants.c.tenant != tenant))  # leaves out NULL, the end of the walk
    return session.execute(wanted.where(queue.c.job_id.in_(ids))).all()


_AHEAD = queue.alias("ahead")


def _count_before(kind: Kind, tenant: Any, *outer: FromClause) -> ColumnElement[int]:
    """How many jobs of a tenant are sorted before the one of the outer row, counted up to MOST or a little beyond.

    Two counts, because SQLite would compare only the first column of a tuple by the index.
    """
    sooner = _AHEAD.c.precedence < queue.c.precedence
    older = and_(_AHEAD.c.precedence == queue.c.precedence, _AHEAD.c.job_id < queue.c.job_id)
    return _count(kind, tenant, sooner, *outer) + _count(kind, tenant, older, *outer)


def _count(kind: Kind, tenant: Any, where: ColumnElement[bool], *outer: FromClause) -> ScalarSelect[int]:
    """How many queued jobs of a tenant fit, counted up to MOST."""
    some = select(_AHEAD.c.job_id).where(_AHEAD.c.kind == kind, _AHEAD.c.tenant == tenant, where)
    return select(func.count()).select_from(some.limit(MOST).correlate(*outer).subquery()).scalar_subquery()
