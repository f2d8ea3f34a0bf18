"""Finds jobs whose worker went silent and, once in a while, what nobody needs any more."""

import logging
import time

from store import audit, blobs, reaper, sessions, workers
from store.database import Database
from store.settings import Settings
from worker.clock_setback import ClockSetback
from worker.clock_watch import ClockWatch

logger = logging.getLogger(__name__)

TIDY_SECONDS = 120.0
# A replaced checkpoint may be 100 MB, and a job replaces one a minute. Longer than any pause between the last byte of a
# blob and the row that refers to it: a lease would have run out.
GARBAGE_SECONDS = 600.0


class Reaper:
    """Call `look` every settings.reaper_seconds; any number of workers may do so at once."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._clock = ClockWatch(database, settings.lease_seconds)
        self._setback = ClockSetback(database, settings.lease_seconds)
        self._tidied_at = time.monotonic()

    def look(self) -> list[str]:
        """Move the jobs of silent workers; their ids. None are moved while the database's clock may have jumped."""
        if not self._clock.is_steady():
            return []
        self._setback.look()
        with self._database.begin() as session:
            moved = reaper.reap(session, self._settings.max_silences, self._settings.retry_seconds)
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
            audit.forget(session, self._settings.audit_seconds)
        blobs.collect_garbage(self._database, GARBAGE_SECONDS)
