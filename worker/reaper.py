"""Finds jobs whose worker went silent or died."""

import logging

from store import reaper
from store.database import Database
from store.settings import Settings
from worker.clock_setback import ClockSetback
from worker.clock_watch import ClockWatch
from worker.folder import attempt_of, attempts_below, sweep

logger = logging.getLogger(__name__)


class Reaper:
    """Call `look` every settings.reaper_seconds; any number of workers may do so at once."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._attempts = attempts_below(settings.data_dir)
        self._clock = ClockWatch(database, settings.lease_seconds)
        self._setback = ClockSetback(database, settings.lease_seconds)

    def look(self) -> list[str]:
        """Move the jobs of workers that are dead or silent; their ids. No silent worker's are moved while the
        database's clock may have jumped."""
        moved = self._bury()
        if not self._clock.is_steady():
            return moved
        self._setback.look()
        with self._database.begin() as session:
            silent = reaper.reap(session, self._settings.max_silences, self._settings.retry_seconds)
        for job_id in silent:
            logger.warning("%s: its worker went silent", job_id)
        moved += silent
        return moved

    def _bury(self) -> list[str]:
        """Move the jobs of workers of this data folder that are known to be dead, because nobody holds the locks of
        their attempts' folders: nobody needs to wait for their leases."""
        dead = [attempt for folder in sweep(self._attempts) if (attempt := attempt_of(folder))]
        if not dead:
            return []
        with self._database.begin() as session:
            moved = reaper.bury(session, dead, self._settings.max_silences, self._settings.retry_seconds)
        for job_id in moved:
            logger.warning("%s: its worker is dead", job_id)
        return moved
