"""Work on jobs until SIGTERM or SIGINT: what `python -m worker` does."""

import logging
import signal
import sys
import threading

from sqlalchemy.exc import InterfaceError, OperationalError

from store.database import Database, open_from
from store.logs import configure_logs
from store.schema import schema_is_current
from store.settings import Settings
from store.tracing import close_traces, configure_traces
from worker.figures import serve_figures
from worker.guards import GuardsUnusable
from worker.service import Service

logger = logging.getLogger("worker")

FIRST_PAUSE_SECONDS = 1.0
MOST_PAUSE_SECONDS = 10.0


def main() -> int:
    """Run one worker with the settings of the environment; its exit status. A database that is away is waited for."""
    settings = Settings.load()
    configure_logs(settings.log_format)
    configure_traces("retort-worker")
    serve_figures(settings.metrics_port)
    database = open_from(settings)
    try:
        current = _wait_for_schema(database)
        if current is None:
            return 0
        if not current:
            print("the database's schema is not current; run `python -m migrations`", file=sys.stderr)
            return 1
        try:
            service = Service(settings, database)
        except GuardsUnusable as error:
            print(error, file=sys.stderr)
            return 1
        logger.info("worker %s begins", service.worker_id)
        return service.serve()
    finally:
        close_traces()
        database.close()


def _wait_for_schema(database: Database) -> bool | None:
    """Whether the schema is current, once the database answers; None where SIGTERM or SIGINT came first."""
    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_end.set())
    pause = FIRST_PAUSE_SECONDS
    while not told_to_end.is_set():
        try:
            return schema_is_current(database)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database does not answer (%s); trying again in %.0f s", _first_line(error), pause)
        told_to_end.wait(pause)
        pause = min(2 * pause, MOST_PAUSE_SECONDS)
    return None


def _first_line(error: OperationalError | InterfaceError) -> str:
    return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
