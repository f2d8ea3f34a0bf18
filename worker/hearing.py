"""Whether messages that ought to reach this worker do."""

import threading
import time


class Hearing:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._expected: list[float] = []  # since the last message that arrived
        self._lock = threading.Lock()

    def expected(self) -> None:
        """A message was sent that this worker ought to hear, or work was found of which it heard nothing."""
        with self._lock:
            self._expected.append(time.monotonic())

    def heard(self) -> None:
        """A message arrived."""
        with self._lock:
            self._expected.clear()

    def deaf_seconds(self) -> float:
        """For how long nothing has arrived though more than one message ought to have; 0 otherwise."""
        with self._lock:
            return time.monotonic() - self._expected[0] if len(self._expected) > 1 else 0.0
