"""Tells the API which weights are on the operator's shelf, when that changes. The engine's own command reads the shelf,
which may be a bucket.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from store.catalogues import publish_catalogue
from store.database import Database
from store.settings import Settings
from worker.environment import engine_environment
from worker.folder import cache_below

KIND = "shelf"
COMMAND = (sys.executable, "-m", "core.process.shelf", "list")
ENGINE_SECONDS = 60.0
# Changes in a bucket cannot be seen without reading it.
BUCKET_SECONDS = 600.0


class ShelfWatch:
    """Publishes the names on the shelf whenever `look` finds that they may have changed."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._seen: object = None

    def look(self) -> None:
        """Publish the names if the shelf is not as it was; raises RuntimeError where it cannot be read."""
        state = _state(self._settings.shelf)
        if state == self._seen:
            return
        names = self._names() if state else []
        with self._database.begin() as session:
            publish_catalogue(session, KIND, names)
        self._seen = state

    def _names(self) -> list[str]:
        cache = cache_below(self._settings.data_dir)
        cache.mkdir(parents=True, exist_ok=True)
        command = [*COMMAND, "--shelf", self._settings.shelf, "--cache", str(cache)]
        environment = engine_environment(os.environ, self._settings.engine_env, temporary=cache, cache=cache)
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=ENGINE_SECONDS, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"{' '.join(command)} ended with status {done.returncode}")
        return sorted(name for row in json.loads(done.stdout) for name in row["names"])


def _state(place: str) -> object:
    """A value that changes when a folder's records do; for a bucket, with time."""
    if "://" in place and not place.startswith("file://"):
        return time.monotonic() // BUCKET_SECONDS
    records = Path(place.removeprefix("file://")) / "records"
    return sorted((str(path), path.stat().st_mtime_ns) for path in records.rglob("*.json"))
