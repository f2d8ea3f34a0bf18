"""Which of the living workers could run a queued job, and why none does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.spec.devices import fits
from store.clock import from_now
from store.states import Kind
from store.tables import workers
from store.workers import FRESH_SECONDS, count_gpus


@dataclass(frozen=True)
class Candidate:
    """A living worker: how many GPUs it has, how many jobs it runs at once, and whether it is about to stop."""

    num_gpus: int
    slots: int
    draining: bool


def candidates(session: Session, fresh_seconds: float = FRESH_SECONDS) -> list[Candidate]:
    """The workers that gave a sign of life within so many seconds."""
    columns = (workers.c.devices, workers.c.slots, workers.c.draining)
    rows = session.execute(select(*columns).where(workers.c.last_seen_at > from_now(-fresh_seconds)))
    return [Candidate(count_gpus(row.devices), row.slots, row.draining) for row in rows]


def count_eligible(kind: Kind, devices: str, alive: Sequence[Candidate]) -> int:
    """How many of the workers could run a job that asks for these devices."""
    return sum(fits(devices, one.num_gpus) for one in alive if _takes(kind, one))


def reason(kind: Kind, devices: str, alive: Sequence[Candidate], run_after: datetime | None) -> str | None:
    """Why a queued job is not run, as one sentence; None where it only waits for its turn."""
    if count_eligible(kind, devices, alive):
        if run_after is None:
            return None
        return f"its last attempts were lost; the next may begin at {run_after:%Y-%m-%dT%H:%M:%SZ}"
    if not alive:
        return "no worker is alive"
    taking = [one for one in alive if _takes(kind, one)]
    if not taking:
        draining = sum(one.draining for one in alive)
        why = (
            f"{draining} about to stop" if draining == len(alive) else f"{draining} about to stop, others with 0 slots"
        )
        return f"no worker alive takes a {kind}: of {len(alive)}, {why}"
    most = max(one.num_gpus for one in taking)
    return f"no worker alive can train on {devices}: of {len(taking)}, the best has {most} GPU{'s' * (most != 1)}"


def _takes(kind: Kind, one: Candidate) -> bool:
    return not one.draining and (kind == "plan" or one.slots > 0)
