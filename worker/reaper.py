"""Finds jobs whose worker went silent and, once in a while, what nobody needs any more."""

import logging
import time

from store import audit, blobs, reaper, sessions, workers
from store.database import Database

logger = logging.getLogger(__name__)

TIDY_SECONDS = 120.0
# A replaced checkpoint may be 100 MB, and a job replaces one a minute. Longer than any pause between the last byte of a
# blob and the row that refers to it: a lease would have run out.
GARBAGE_SECONDS = 600.0


class Reaper:
    """Call `look` every settings.reaper_seconds; any number of workers may do so at once."""

    def __init__(self, database: Database, max_attempts: int, audit_seconds: float) -> None:
        self._database = database
        self._max_attempts = max_attempts
        self._audit_seconds = audit_seconds
        self._tidied_at = time.monotonic()

    def look(self) -> list[str]:
        """Move the jobs of silent workers; their ids."""
        with self._database.begin() as session:
            moved = reaper.reap(session, self._max_attempts)
        for job_id in moved:
            logger.warning("%s: its worker went silent", job_id)
        if time.monotonic() >= self._tidied_at + TIDY_SECONDS:
            self._tidied_at = time.monotonic()
            self._tidy()
        return moved

    def _tidy(self) -> None:
        with self._database.begin() as session:
            reaper.sweep_plans(session)
            workers.forget(session)
            sessions.forget_expired(session)
            audit.forget(session, self._audit_seconds)
        blobs.collect_garbage(self._database, GARBAGE_SECONDS)
