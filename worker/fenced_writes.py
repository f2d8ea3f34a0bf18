"""The writes of one attempt: each is fenced by the lease, and is tried again while the database or the object store is
away."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from store.database import Database, is_away
from store.errors import BlobStoreAway
from store.values import Lease
from worker.engine_process import StopReason
from worker.figures import FENCE_REFUSALS
from worker.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
Answer = TypeVar("Answer")


class LeaseLost(Exception):
    """The job is no longer ours: nothing that this attempt does counts any more."""


class FencedWrites:
    """Writes of the holder of one lease."""

    def __init__(self, database: Database, lease: Lease, heartbeat: Heartbeat) -> None:
        self.database = database
        self.lease = lease
        self._heartbeat = heartbeat

    def write(self, transition: Callable[..., bool], *args: Any, **kwargs: Any) -> None:
        """`transition(session, lease, ...)` in one transaction; raises LeaseLost where it is refused."""

        def once() -> bool:
            with self.database.begin() as session:
                return transition(session, self.lease, *args, **kwargs)

        if not self.retry_while_away(once):
            FENCE_REFUSALS.inc()
            self._heartbeat.lose()
            raise LeaseLost

    def retry_while_away(self, act: Callable[[], Answer]) -> Answer:
        """The answer of `act`, tried again while the database or the object store cannot be reached; raises LeaseLost
        when that takes too long, and BlobStoreAway where the job is to be cancelled meanwhile. A transition whose
        commit was in doubt is repeated safely: each is a compare-and-set."""
        while True:
            try:
                return act()
            except SQLAlchemyError as error:
                if not is_away(error):
                    raise
                logger.warning("%s: the database is away: %s", self.lease.job_id, _cause(error))
            except BlobStoreAway as error:
                logger.warning("%s: %s", self.lease.job_id, error)
                if self._heartbeat.stop_reason() is StopReason.CANCEL:
                    raise
            if self._heartbeat.stop_reason() is StopReason.LOST:
                raise LeaseLost
            time.sleep(RETRY_SECONDS)


def _cause(error: SQLAlchemyError) -> str:
    return type(getattr(error, "orig", error)).__name__
