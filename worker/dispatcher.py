"""Messages for queued jobs, after the commit that queued them: a worker rings for all of them where workers share the
broker, and for itself where the broker is in its own memory.

Two workers may ring for the same job: whoever hears the second message finds nothing to do.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from store import queue, queue_order, workers
from store.database import Database
from store.states import KINDS, Kind
from worker.doorbell import Doorbell, queue_name
from worker.hearing import Hearing
from worker.slots import Slots

BATCH = 500
RENEW_SECONDS = 10.0  # between two looks at how many workers there are, and whether the broker lost its messages


@dataclass(frozen=True)
class Ability:
    """What a worker can run: `max_running` jobs of one tenant at most, on all workers together."""

    num_gpus: int
    max_running: int | None

    def next_job(self, session: Session, kind: Kind) -> Row[Any] | None:
        """The queued job that it would claim now."""
        return queue_order.next_job(session, kind, num_gpus=self.num_gpus, max_running=self.max_running)


class SharedDispatcher:
    """Rings for every queued job, at queues that several workers hear.

    All workers do so, and each looks the more seldom the more there are: together they look once in `seconds`, whatever
    their number, at moments that chance spreads.
    """

    def __init__(self, database: Database, doorbell: Doorbell, prefix: str, seconds: float) -> None:
        self._database = database
        self._doorbell = doorbell
        self._prefix = prefix
        self._seconds = seconds
        self._num_workers = 1
        self._look_at = 0.0
        self._renew_at = 0.0

    def dispatch(self) -> int:
        """Call it every `seconds`; how many messages were sent."""
        now = time.monotonic()
        if now < self._look_at:
            return 0
        if now >= self._renew_at:
            self._renew_at = now + RENEW_SECONDS
            self._renew()
        self._look_at = now + self._seconds * (self._num_workers * random.uniform(0.5, 1.5) - 0.5)
        with self._database.read() as session:
            rings = queue.unrung(session, BATCH)
        sent: list[str] = []
        try:
            for ring in rings:
                self._doorbell.ring(queue_name(self._prefix, ring.kind, ring.devices))
                sent.append(ring.job_id)
        finally:
            # After the publish: dying between the two sends a message twice, never not at all.
            if sent:
                with self._database.begin() as session:
                    queue.mark_rung(session, sent)
        return len(sent)

    def _renew(self) -> None:
        with self._database.read() as session:
            self._num_workers = max(1, workers.count_alive(session))
            lost = queue.rung(session, RENEW_SECONDS, BATCH)
        names = {queue_name(self._prefix, ring.kind, ring.devices) for ring in lost}
        silent = {name for name in names if not self._doorbell.count(name)}
        again = [ring.job_id for ring in lost if queue_name(self._prefix, ring.kind, ring.devices) in silent]
        if again:
            with self._database.begin() as session:
                queue.forget_rings(session, again)


class PrivateDispatcher:
    """Rings for one worker alone, which nobody else hears: only where it has a free slot and could run something."""

    def __init__(
        self, database: Database, doorbell: Doorbell, prefix: str, slots: Slots, hearing: Hearing, ability: Ability
    ) -> None:
        self._database = database
        self._doorbell = doorbell
        self._prefix = prefix
        self._slots = slots
        self._hearing = hearing
        self._ability = ability

    def dispatch(self) -> int:
        """How many messages were sent. One cheap query where nothing waits."""
        return sum(self._ring(kind) for kind, count in self._wanted().items() for _ in range(count))

    def _wanted(self) -> dict[Kind, int]:
        """How many messages of each kind there are slots and jobs for."""
        free = {kind: self._slots.free(kind) for kind in KINDS}
        if not any(free.values()):
            return {}
        with self._database.read() as session:
            if queue.is_empty(session):
                return {}
            runnable = [kind for kind in KINDS if free[kind] and self._ability.next_job(session, kind)]
            return {kind: queue.count(session, kind, free[kind]) for kind in runnable}

    def _ring(self, kind: Kind) -> bool:
        if not self._slots.promise(kind):
            return False
        try:
            self._doorbell.ring(queue_name(self._prefix, kind, "cpu"))
        except BaseException:
            self._slots.withdraw(kind)
            raise
        self._hearing.expected()
        return True


class Sweep:
    """Starts what waits without a message, where there is a free slot: a message that got lost, or that nobody hears,
    costs one interval at most."""

    def __init__(
        self,
        database: Database,
        slots: Slots,
        hearing: Hearing,
        ability: Ability,
        start: Callable[[Kind], object],
    ) -> None:
        """`start` begins to work in a slot that was promised."""
        self._database = database
        self._slots = slots
        self._hearing = hearing
        self._ability = ability
        self._start = start

    def look(self) -> None:
        """Call it once an interval."""
        for kind in KINDS:
            if self._slots.free(kind) and self._waits(kind):
                while self._slots.promise(kind):
                    self._start(kind)

    def _waits(self, kind: Kind) -> bool:
        with self._database.read() as session:
            if queue.is_empty(session):
                return False
            found = self._ability.next_job(session, kind)
            if found is not None and queue.rung_seconds(session, found.id) > RENEW_SECONDS:
                self._hearing.expected()
        return found is not None
