"""Removes what nobody needs any more: from the database, and from the cache of this worker's data folder."""

import logging
import os
import socket
import time

from store import growth, retention
from store.database import Database
from store.settings import Settings
from worker.cache_sweep import CacheSweep
from worker.folder import attempts_below, cache_below

URGENT_SECONDS = 60.0  # between two sweeps of a full disk

logger = logging.getLogger(__name__)


class Sweeper:
    """Call `look` often; it works every settings.sweep_seconds. Any number of workers may do so at once."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._place = f"{socket.gethostname()}:{settings.data_dir.absolute()}"[:255]
        self._rules = retention.rules(settings)
        self._cache = CacheSweep(cache_below(settings.data_dir), attempts_below(settings.data_dir), settings)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._urgent_at = -float("inf")
        self._sweep_at = time.monotonic() + min(settings.reaper_seconds, settings.sweep_seconds)

    def look(self) -> None:
        """Sweep if it is time, or if the disk is full."""
        lacking = self._lacking_bytes()
        if time.monotonic() < (self._urgent_at if lacking else self._sweep_at):
            return
        self._sweep_at = time.monotonic() + self._settings.sweep_seconds
        self._urgent_at = time.monotonic() + URGENT_SECONDS
        # The cache first, for that may make the room that the database needs.
        self._publish(self._place, self._cache.sweep(lacking_bytes=lacking))
        if self._is_first():
            self._publish(growth.DATABASE, retention.sweep(self._database, self._rules))

    def _lacking_bytes(self) -> int:
        """How much must go so that jobs can run; 0 where they can."""
        found = os.statvfs(self._settings.data_dir)
        free, needed = found.f_bavail * found.f_frsize, self._settings.min_free_bytes
        return 2 * needed - free if free < needed else 0

    def _is_first(self) -> bool:
        """Whether no worker has swept the database lately."""
        with self._database.read() as session:
            since = growth.seconds_since_sweep(session, growth.DATABASE)
        return since is None or since >= self._settings.sweep_seconds / 2

    def _publish(self, place: str, swept: list[growth.Swept]) -> None:
        for one in swept:
            if one.removed_count:
                logger.info("%s: removed %d %s (%s)", place, one.removed_count, one.kind, one.reason)
        with self._database.begin() as session:
            growth.publish(session, place, swept)
