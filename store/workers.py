"""Who works: each worker process keeps one row fresh while it lives."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from store.clock import from_now, seconds_since
from store.states import HELD
from store.tables import jobs, workers
from store.values import Worker

FRESH_SECONDS = 60.0  # four beats of 15 s: a worker that missed them all is taken for gone


def announce(
    session: Session,
    worker_id: str,
    *,
    host: str,
    pid: int,
    devices: Sequence[str],
    version: str,
    slots: int,
    draining: bool = False,
    unfit: str | None = None,
    guards: Mapping[str, bool] | None = None,
) -> None:
    """Say that a worker is there, or still there (call it at every beat); `draining`: that it takes no more jobs;
    `unfit`: why its host cannot run any now; `guards`: which bounds of its engines hold there, by name."""
    facts = {"host": host, "pid": pid, "devices": list(devices), "version": version, "slots": slots}
    facts |= {"draining": draining, "unfit": unfit, "guards": dict(guards or {})}
    seen = update(workers).where(workers.c.id == worker_id).values(last_seen_at=from_now(), **facts)
    if session.execute(seen).rowcount == 0:
        now = {"started_at": from_now(), "last_seen_at": from_now()}
        session.execute(insert(workers).values(id=worker_id, **now, **facts))


def withdraw(session: Session, worker_id: str) -> None:
    """Say that a worker is leaving."""
    session.execute(delete(workers).where(workers.c.id == worker_id))


def list_workers(session: Session, fresh_seconds: float = FRESH_SECONDS) -> list[Worker]:
    """All workers that have not withdrawn, the oldest first."""
    held: dict[str, list[str]] = {}
    for job in session.execute(select(jobs.c.id, jobs.c.owner).where(jobs.c.state.in_(HELD)).order_by(jobs.c.id)):
        held.setdefault(job.owner, []).append(job.id)
    age = seconds_since(workers.c.last_seen_at).label("age")
    rows = session.execute(select(*workers.c, age).order_by(workers.c.started_at, workers.c.id))
    return [
        Worker(
            id=row.id,
            host=row.host,
            pid=row.pid,
            devices=tuple(row.devices),
            version=row.version,
            slots=row.slots,
            guards=row.guards,
            started_at=row.started_at,
            last_seen_at=row.last_seen_at,
            alive=row.age < fresh_seconds,
            draining=row.draining,
            unfit=row.unfit,
            jobs=tuple(held.get(row.id, ())),
        )
        for row in rows
    ]


def count_gpus(devices: Sequence[str]) -> int:
    """How many of a worker's devices are GPUs."""
    return sum(device != "cpu" for device in devices)


def count_alive(session: Session, fresh_seconds: float = FRESH_SECONDS) -> int:
    """How many workers gave a sign of life within so many seconds."""
    fresh = workers.c.last_seen_at > from_now(-fresh_seconds)
    return session.execute(select(func.count()).select_from(workers).where(fresh)).scalar_one()


def count_unfit(session: Session, fresh_seconds: float = FRESH_SECONDS) -> int:
    """How many of the living workers are on hosts that cannot run jobs now."""
    unfit = (workers.c.last_seen_at > from_now(-fresh_seconds), workers.c.unfit.is_not(None))
    return session.execute(select(func.count()).select_from(workers).where(*unfit)).scalar_one()
