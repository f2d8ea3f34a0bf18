"""Work on jobs until SIGTERM or SIGINT: what `python -m worker` does."""

import logging
import sys

from store.database import open_from
from store.logs import configure_logs
from store.schema import schema_is_current
from store.settings import Settings
from store.tracing import close_traces, configure_traces
from worker.figures import serve_figures
from worker.guards import GuardsUnusable
from worker.service import Service


def main() -> int:
    """Run one worker with the settings of the environment; its exit status."""
    settings = Settings.load()
    configure_logs(settings.log_format)
    configure_traces("retort-worker")
    serve_figures(settings.metrics_port)
    database = open_from(settings)
    try:
        if not schema_is_current(database):
            print("the database's schema is not current; run `python -m migrations`", file=sys.stderr)
            return 1
        try:
            service = Service(settings, database)
        except GuardsUnusable as error:
            print(error, file=sys.stderr)
            return 1
        logging.getLogger("worker").info("worker %s begins", service.worker_id)
        return service.serve()
    finally:
        close_traces()
        database.close()
