"""Notices when the database's clock jumps: a machine that slept, or an administrator who set the time.

Leases end by the database's clock. After a jump, leases of healthy workers seem to have run out, though their owners
had no time to renew them. Who sees the jump waits until they had.
"""

import time
from collections.abc import Callable

from store.database import Database

# More than a query and a look at two clocks take; much less than a lease.
TOLERANCE_SHARE = 0.25  # of the lease


class ClockWatch:
    """Compares the database's clock with this process's monotonic one, which stands still while the machine sleeps."""

    def __init__(
        self, database: Database, lease_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._monotonic = monotonic
        self._offset: float | None = None  # of the database's clock, from the monotonic one
        self._steady_from = -float("inf")

    def is_steady(self) -> bool:
        """Whether leases can be judged by the database's clock: it did not jump forward within the last
        `lease_seconds`. False at the first call, which has nothing to compare with."""
        asked_at = self._monotonic()
        now = self._database.now().timestamp()
        answered_at = self._monotonic()
        before, self._offset = self._offset, now - answered_at
        if before is None:
            return False
        if self._offset - before > TOLERANCE_SHARE * self._lease_seconds + answered_at - asked_at:
            self._steady_from = answered_at + self._lease_seconds
        return answered_at >= self._steady_from
