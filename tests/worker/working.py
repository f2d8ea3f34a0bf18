"""A whole worker process with the stand-in engine: `python working.py <worker settings come from the environment>`."""

import logging
import sys
from pathlib import Path

from store.database import open_database
from store.settings import Settings
from worker.service import Service

ENGINE = (sys.executable, str(Path(__file__).with_name("stand_in.py")))

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings.load()
    sys.exit(Service(settings, open_database(settings.url), ENGINE).serve())
