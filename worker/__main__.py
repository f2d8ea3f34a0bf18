"""`python -m worker`: work on jobs until SIGTERM or SIGINT."""

import sys

from store.extras import run

if __name__ == "__main__":
    sys.exit(run("worker.work", program="python -m worker", extra="worker"))
