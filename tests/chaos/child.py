"""One process of a service under chaos: `python child.py worker` or `python child.py api --port N`, with the clock of
the campaign, the stand-in engine, and the mutant that CHAOS_MUTANT names."""

import logging
import os
import sys
from pathlib import Path

from tests.chaos import database_clock, mutants

ENGINE = (sys.executable, str(Path(__file__).parents[1] / "worker" / "stand_in.py"))


def work() -> int:
    from store.database import open_database
    from store.settings import Settings
    from worker.service import Service

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings.load()
    return Service(settings, open_database(settings.url), ENGINE).serve()


def serve() -> int:
    from api.serve import main

    return main()


if __name__ == "__main__":
    database_clock.install()
    mutants.apply(os.environ.get("CHAOS_MUTANT", ""))
    part = sys.argv.pop(1)
    sys.exit(work() if part == "worker" else serve())
