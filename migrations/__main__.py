"""`python -m migrations [--url URL] [--check]`: bring the database to the newest schema, or say whether it is there."""

import sys

from store.extras import run

if __name__ == "__main__":
    sys.exit(run("migrations.command", program="python -m migrations", extra="store"))
