"""The writes of one attempt: each is fenced by the lease, and is tried again while the database is away."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from store.database import Database
from store.views import Lease
from worker.keeper import Keeper
from worker.trainer import Verdict

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
Answer = TypeVar("Answer")


class LeaseLost(Exception):
    """The job is no longer ours: nothing that this attempt does counts any more."""


class Ledger:
    """Writes of the holder of one lease."""

    def __init__(self, database: Database, lease: Lease, keeper: Keeper) -> None:
        self.database = database
        self.lease = lease
        self._keeper = keeper

    def write(self, move: Callable[..., bool], *args: Any, **kwargs: Any) -> None:
        """`move(session, lease, ...)` in one transaction; raises LeaseLost where it is refused."""

        def once() -> bool:
            with self.database.begin() as session:
                return move(session, self.lease, *args, **kwargs)

        if not self.insist(once):
            self._keeper.lose()
            raise LeaseLost

    def insist(self, act: Callable[[], Answer]) -> Answer:
        """The answer of `act`, tried again while the database cannot be reached; raises LeaseLost when that takes too
        long. A move whose commit was in doubt is repeated safely: each is a compare-and-set."""
        while True:
            try:
                return act()
            except DBAPIError as error:
                if not _is_away(error):
                    raise
                logger.warning("%s: the database is away: %s", self.lease.job_id, type(error.orig).__name__)
            if self._keeper.verdict() is Verdict.LOST:
                raise LeaseLost
            time.sleep(RETRY_SECONDS)


def _is_away(error: DBAPIError) -> bool:
    """Whether the database is locked, restarting or cut off, rather than refusing what was asked."""
    return error.connection_invalidated or type(error).__name__ in {"OperationalError", "InterfaceError"}
