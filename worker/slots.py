"""The slots of one worker: some for jobs and some for plans, so that a plan never waits behind a long training.

A slot is taken twice over: promised when the dispatcher sends a message to this worker, entered when it arrives. A
promise lapses, since a broker may lose the message."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from store.states import Kind

PROMISE_SECONDS = 10.0


class Slots:
    """Counts promises and runs by kind; safe to share between threads."""

    def __init__(self, capacity: dict[Kind, int]) -> None:
        self._capacity = capacity
        self._promised: dict[str, tuple[Kind, float]] = {}  # job id -> kind, when it lapses
        self._running: dict[str, Kind] = {}
        self._undelivered: list[float] = []  # when the sends were made that nothing came of, since the last arrival
        self._lock = threading.Lock()

    def free(self, kind: Kind) -> int:
        """Slots of the kind that are neither promised nor in use."""
        with self._lock:
            self._forget_lapsed()
            return self._free(kind)

    def promise(self, job_id: str, kind: Kind) -> bool:
        """Keep a slot for a message about to be sent; False where none is free or the job is here already."""
        with self._lock:
            self._forget_lapsed()
            if job_id in self._promised or job_id in self._running or self._free(kind) < 1:
                return False
            self._promised[job_id] = kind, time.monotonic() + PROMISE_SECONDS
            return True

    def withdraw(self, job_id: str) -> None:
        """The message was not sent after all."""
        with self._lock:
            self._promised.pop(job_id, None)

    @contextmanager
    def enter(self, job_id: str, kind: Kind) -> Iterator[bool]:
        """The slot for a message that arrived, for as long as the block lasts; False where there is none."""
        with self._lock:
            self._promised.pop(job_id, None)
            self._undelivered.clear()
            entered = job_id not in self._running and self._free(kind) > 0
            if entered:
                self._running[job_id] = kind
        try:
            yield entered
        finally:
            if entered:
                with self._lock:
                    del self._running[job_id]

    def undelivered_seconds(self) -> float:
        """How long this worker has been idle while at least two messages sent to it never arrived; 0 otherwise."""
        with self._lock:
            self._forget_lapsed()
            if self._running or len(self._undelivered) < 2:
                return 0.0
            return time.monotonic() - self._undelivered[0]

    def _free(self, kind: Kind) -> int:
        promised = sum(one == kind for one, _ in self._promised.values())
        return self._capacity[kind] - promised - sum(one == kind for one in self._running.values())

    def _forget_lapsed(self) -> None:
        now = time.monotonic()
        lapsed = [job_id for job_id, (_, until) in self._promised.items() if until <= now]
        self._undelivered += [self._promised.pop(job_id)[1] - PROMISE_SECONDS for job_id in lapsed]
