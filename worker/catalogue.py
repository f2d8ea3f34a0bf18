"""Publishes what an engine offers (students, teachers) where it differs from the catalogue that Retort ships.

The API has no torch to ask. An engine is asked once per version, and only where the libraries are not those of the
shipped catalogue.
"""

import importlib.metadata
import json
import logging
import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from store.catalogues import catalogue, publish_catalogue, shipped
from store.database import Database
from worker.environment import engine_environment

logger = logging.getLogger(__name__)

VERSION = "version"  # the kind under which the version of what is published stands
ENGINE_SECONDS = 600.0
LOOK_SECONDS = 0.5
NICENESS = 15  # a job that waits is more urgent


def publish(
    database: Database, engine: Sequence[str], version: str, allowed: Sequence[str], stop: threading.Event
) -> bool:
    """Publish the catalogue of this version, unless that was done; whether it was done now.

    Ends the engine that is asked and returns when `stop` is set.
    """
    with database.read() as session:
        known = catalogue(session, VERSION)
    if known is not None and known.data == version:
        return False
    catalogues = shipped() if _is_shipped() else _ask([*engine, "catalogue"], allowed, stop)
    if catalogues is None:
        return False
    with database.begin() as session:
        for kind, data in catalogues.items():
            publish_catalogue(session, kind, data)
        publish_catalogue(session, VERSION, version)
    return True


def _is_shipped() -> bool:
    """Whether the libraries installed here are those that the shipped catalogue was made with."""
    return all(_version_of(name) == version for name, version in shipped()["libraries"].items())


def _version_of(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _ask(command: Sequence[str], allowed: Sequence[str], stop: threading.Event) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as answer:
        environment = engine_environment(os.environ, allowed, temporary=Path(folder), cache=Path(folder))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=answer, cwd=folder, env=environment)
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        try:
            status = _wait(process, stop)
        finally:
            process.kill()
            process.wait()
        if status != 0:
            if not stop.is_set():
                logger.warning("no catalogue was published: %s ended with status %s", " ".join(command), status)
            return None
        answer.seek(0)
        catalogues: dict[str, Any] = json.loads(answer.read())
        return catalogues


def _wait(process: subprocess.Popen[bytes], stop: threading.Event) -> int | None:
    waited = 0.0
    while process.poll() is None and waited < ENGINE_SECONDS and not stop.wait(LOOK_SECONDS):
        waited += LOOK_SECONDS
    return process.poll()
