"""Work on jobs until SIGTERM or SIGINT: what `python -m worker` does."""

import logging
import sys

from store.database import open_database
from store.schema import schema_is_current
from store.settings import Settings
from worker.guards import GuardsUnusable
from worker.service import Service


def main() -> int:
    """Run one worker with the settings of the environment; its exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("celery").setLevel(logging.WARNING)
    settings = Settings.load()
    database = open_database(settings.url)
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
        database.close()
