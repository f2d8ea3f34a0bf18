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
from store.values import Attempt
from store.workers import FRESH_SECONDS, count_gpus


@dataclass(frozen=True)
class Candidate:
    """A living worker: how many GPUs it has, how many jobs it runs at once, whether it is about to stop, and why its
    host cannot run jobs now, where it cannot."""

    num_gpus: int
    slots: int
    draining: bool
    unfit: str | None = None


def candidates(session: Session, fresh_seconds: float = FRESH_SECONDS) -> list[Candidate]:
    """The workers that gave a sign of life within so many seconds."""
    columns = (workers.c.devices, workers.c.slots, workers.c.draining, workers.c.unfit)
    rows = session.execute(select(*columns).where(workers.c.last_seen_at > from_now(-fresh_seconds)))
    return [Candidate(count_gpus(row.devices), row.slots, row.draining, row.unfit) for row in rows]


def count_eligible(kind: Kind, devices: str, alive: Sequence[Candidate]) -> int:
    """How many of the workers could run a job that asks for these devices."""
    return sum(fits(devices, one.num_gpus) for one in alive if _takes(kind, one))


def reason(
    kind: Kind, devices: str, alive: Sequence[Candidate], run_after: datetime | None, last: Attempt | None = None
) -> str | None:
    """Why a queued job is not run, as one sentence; None where it only waits for its turn. `last`: its last attempt."""
    if count_eligible(kind, devices, alive):
        if run_after is None:
            return None
        return f"{_what_happened(last)}; the next attempt may begin at {run_after:%Y-%m-%dT%H:%M:%SZ}"
    if not alive:
        return "no worker is alive"
    taking = [one for one in alive if _takes(kind, one)]
    if not taking:
        return f"no worker alive takes a {kind}: of {len(alive)}, {_why_none_takes(alive)}"
    most = max(one.num_gpus for one in taking)
    return f"no worker alive can train on {devices}: of {len(taking)}, the best has {most} GPU{'s' * (most != 1)}"


def _what_happened(last: Attempt | None) -> str:
    if last is None or last.error is None:
        return "its last attempts were lost"
    return f"attempt {last.number} ended with {last.error['code']} ({last.error['message']})"


def _why_none_takes(alive: Sequence[Candidate]) -> str:
    draining = [one for one in alive if one.draining]
    unfit = [one for one in alive if one.unfit and not one.draining]
    rest = len(alive) - len(draining) - len(unfit)
    parts = [f"{len(draining)} about to stop"] if draining else []
    parts += [f"{len(unfit)} in quarantine ({unfit[0].unfit})"] if unfit else []
    parts += [f"{rest} with 0 slots"] if rest else []
    return ", ".join(parts)


def _takes(kind: Kind, one: Candidate) -> bool:
    return not one.draining and not one.unfit and (kind == "plan" or one.slots > 0)
