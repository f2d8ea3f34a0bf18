"""Finds dead workers after the database's clock went back, by this process's monotonic clock."""

import logging
import time
from collections.abc import Callable

from store import future_beats
from store.database import Database

logger = logging.getLogger(__name__)


class ClockSetback:
    """A worker that lives gives a sign of life within a lease, which lies no longer in the future. Who is seen without
    one for a whole lease is silent, whatever the time at which its lease is to end."""

    def __init__(
        self, database: Database, lease_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._monotonic = monotonic
        self._seen: dict[future_beats.Holder, float] = {}  # since when

    def look(self) -> None:
        """End the leases of those that are silent. Call it whenever leases are judged."""
        with self._database.read() as session:
            found = future_beats.find(session)
        now = self._monotonic()
        self._seen = {holder: self._seen.get(holder, now) for holder in found}
        silent = [holder for holder, since in self._seen.items() if now >= since + self._lease_seconds]
        if silent:
            logger.warning("the database's clock went back; workers of %d jobs were silent for a lease", len(silent))
            with self._database.begin() as session:
                future_beats.end_leases(session, silent)
