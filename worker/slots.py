"""The slots of one worker: some for jobs and some for plans, so that a plan never waits behind a long training.

A slot is promised when a message for this worker is on its way, and entered when work begins. A promise lapses, since a
message may get lost.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from store.states import Kind

PROMISE_SECONDS = 10.0


class Slots:
    """Counts promises and work by kind; safe to share between threads."""

    def __init__(self, capacity: dict[Kind, int], is_open: Callable[[], bool] = lambda: True) -> None:
        """While `is_open` says no, no slot is free."""
        self._capacity = capacity
        self._is_open = is_open
        self._promised: dict[Kind, list[float]] = {kind: [] for kind in capacity}  # when each lapses
        self._entered: dict[Kind, int] = dict.fromkeys(capacity, 0)
        self._lock = threading.Lock()

    def free(self, kind: Kind) -> int:
        """Slots of the kind that are neither promised nor in use."""
        with self._lock:
            return self._free(kind)

    def promise(self, kind: Kind) -> bool:
        """Keep a slot for work about to begin; False where none is free."""
        with self._lock:
            if self._free(kind) < 1:
                return False
            self._promised[kind].append(time.monotonic() + PROMISE_SECONDS)
            return True

    def withdraw(self, kind: Kind) -> None:
        """The work for which a slot was kept will not begin."""
        with self._lock:
            del self._promised[kind][:1]

    @contextmanager
    def enter(self, kind: Kind) -> Iterator[bool]:
        """A slot, promised or free, for as long as the block lasts; False where there is none."""
        with self._lock:
            entered = self._is_open() and (self._free(kind) > 0 or bool(self._promised[kind]))
            if entered:
                del self._promised[kind][:1]
                self._entered[kind] += 1
        try:
            yield entered
        finally:
            if entered:
                with self._lock:
                    self._entered[kind] -= 1

    def is_idle(self) -> bool:
        """Whether no slot is in use."""
        with self._lock:
            return not any(self._entered.values())

    def _free(self, kind: Kind) -> int:
        now = time.monotonic()
        self._promised[kind] = [until for until in self._promised[kind] if until > now]
        if not self._is_open():
            return 0
        return self._capacity[kind] - len(self._promised[kind]) - self._entered[kind]
