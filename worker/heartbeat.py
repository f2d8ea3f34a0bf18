"""Keeps one lease alive while its engine runs, and says when the engine must end.

`stop_reason` needs no database: the holder of a lease stops by its own monotonic clock before the lease runs out, so
that a database that cannot be reached ends the work and does not double it.
"""

import logging
import threading
import time

from store import leases
from store.database import Database
from store.states import Asked
from store.values import Lease
from worker.engine_process import StopReason
from worker.periodic import Periodic

logger = logging.getLogger(__name__)

ASK_SECONDS = 1.0  # between two looks for what a client asks
MARGIN_SHARE = 0.1  # of the lease, at most MARGIN_SECONDS: the time that killing takes, with room
MARGIN_SECONDS = 2.0
_STOP: dict[Asked, StopReason] = {"cancel": StopReason.CANCEL, "pause": StopReason.PAUSE}


class Heartbeat:
    """Beats for one lease on a thread of its own, as a context manager."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        claimed_at: float,
        lease_seconds: float,
        beat_seconds: float,
        stopping: threading.Event,
    ) -> None:
        """`claimed_at` is the monotonic time before the claim was sent; `stopping` is set when the worker must stop."""
        self._database = database
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._beat_seconds = beat_seconds
        self._stopping = stopping
        self._started_at = claimed_at
        self._beaten_at = claimed_at
        self._lost = False
        self._asked: Asked | None = None
        self._thread = Periodic(f"heartbeat-{lease.job_id}", self._beat_or_check, min(ASK_SECONDS, beat_seconds))

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.stop()

    def stop_reason(self) -> StopReason | None:
        """Whether the engine must end, and why; answers at once."""
        now = time.monotonic()
        margin = min(MARGIN_SECONDS, MARGIN_SHARE * self._lease_seconds)
        if self._lost or now >= self._beaten_at + self._lease_seconds - margin:
            return StopReason.LOST
        if self._asked is not None:
            return _STOP[self._asked]
        if self._stopping.is_set():
            return StopReason.SHUTDOWN
        allowed = self._lease.max_runtime_seconds
        if allowed is not None and self._lease.runtime_seconds + now - self._started_at > allowed:
            return StopReason.DEADLINE
        return None

    def lose(self) -> None:
        """A write was refused: another holds the lease, or the job has ended."""
        self._lost = True

    def _beat_or_check(self) -> None:
        asked_at = time.monotonic()  # before the question: the database's lease can only end later than ours
        if asked_at < self._beaten_at + self._beat_seconds:
            with self._database.read() as session:
                self._asked = leases.asked(session, self._lease) or self._asked
            return
        with self._database.begin() as session:
            beat = leases.beat(session, self._lease, self._lease_seconds)
        if not beat.held:
            logger.warning("%s: the lease was lost", self._lease.job_id)
            self._lost = True
        self._beaten_at = asked_at
        self._asked = beat.asked or self._asked
