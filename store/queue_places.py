"""The places of queued jobs: how many others start before each, by the order of store.queue_order.

A job's *turn* is how many jobs of its tenant run once it has started: those that run now, plus its rank among the
tenant's queued jobs. Lower turns start first; equal turns go by priority, then by age.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, func, select, tuple_, union_all
from sqlalchemy.orm import Session

from store.queue_order import running_by_tenant
from store.queue_table import queue
from store.states import Kind

MOST = 1000  # places are counted up to here, so that a long queue costs no more than a short one
BATCH = 200  # SQLite takes 500 SELECTs in a UNION
Sortable = tuple[int, str]  # precedence and id: the lowest first


def positions(session: Session, kind: Kind, tenant: str, ids: list[str]) -> dict[str, int]:
    """The places in the queue of queued jobs of one kind and tenant: 1 is next; MOST stands for all from there on."""
    found = _ranks(session, kind, tenant, ids)
    others = [other for other in _tenants(session, kind) if other != tenant]
    if not others:
        return {job_id: min(rank, MOST) for job_id, (rank, _) in found.items()}
    running = running_by_tenant(session, kind)
    mine = running.get(tenant, 0)
    turns = {job_id: mine + rank for job_id, (rank, _) in found.items() if rank < MOST}
    heads = _heads(session, kind, others, min(max(turns.values(), default=0), MOST))
    return {
        job_id: min(rank + _ahead(turns[job_id], key, heads, running), MOST) if job_id in turns else MOST
        for job_id, (rank, key) in found.items()
    }


def _ranks(session: Session, kind: Kind, tenant: str, ids: list[str]) -> dict[str, tuple[int, Sortable]]:
    """The rank of each job among those of its tenant, counted up to MOST, and what it is sorted by."""
    ahead = queue.alias("ahead")
    earlier = tuple_(ahead.c.precedence, ahead.c.job_id) < tuple_(queue.c.precedence, queue.c.job_id)
    some = select(ahead.c.job_id).where(ahead.c.kind == kind, ahead.c.tenant == tenant, earlier)
    num_ahead = select(func.count()).select_from(some.limit(MOST).correlate(queue).subquery()).scalar_subquery()
    rows = session.execute(
        select(queue.c.job_id, queue.c.precedence, num_ahead.label("num_ahead")).where(queue.c.job_id.in_(ids))
    )
    return {row.job_id: (row.num_ahead + 1, (row.precedence, row.job_id)) for row in rows}


def _tenants(session: Session, kind: Kind) -> list[str]:
    """The tenants that have queued jobs, by walking the index from one to the next."""
    of_kind = queue.c.kind == kind
    tenants = select(func.min(queue.c.tenant).label("tenant")).where(of_kind).cte("tenants", recursive=True)
    following = select(func.min(queue.c.tenant)).where(of_kind, queue.c.tenant > tenants.c.tenant).correlate(tenants)
    tenants = tenants.union_all(select(following.scalar_subquery()).where(tenants.c.tenant.is_not(None)))
    return list(session.execute(select(tenants.c.tenant).where(tenants.c.tenant.is_not(None))).scalars())


def _heads(session: Session, kind: Kind, tenants: Sequence[str], most: int) -> dict[str, list[Sortable]]:
    """The first jobs of each tenant, at most so many."""
    found: dict[str, list[Sortable]] = {tenant: [] for tenant in tenants}
    for start in range(0, len(tenants), BATCH):
        parts = [_first(kind, tenant, most) for tenant in tenants[start : start + BATCH]]
        rows: Sequence[Row[Any]] = session.execute(union_all(*parts)).all()
        for row in rows:
            found[row.tenant].append((row.precedence, row.job_id))
    return {tenant: sorted(heads) for tenant, heads in found.items()}


def _first(kind: Kind, tenant: str, most: int) -> Any:
    wanted = select(queue.c.tenant, queue.c.precedence, queue.c.job_id)
    wanted = wanted.where(queue.c.kind == kind, queue.c.tenant == tenant)
    first = wanted.order_by(queue.c.precedence, queue.c.job_id).limit(most).subquery()
    return select(first)


def _ahead(turn: int, key: Sortable, heads: Mapping[str, list[Sortable]], running: Mapping[str, int]) -> int:
    """How many jobs of other tenants start before the one with this turn and sorting key."""
    count = 0
    for tenant, its in heads.items():
        earlier = turn - 1 - running.get(tenant, 0)  # so many of its jobs have a lower turn, if it has so many
        count += min(max(earlier, 0), len(its)) + (0 <= earlier < len(its) and its[earlier] < key)
    return count
