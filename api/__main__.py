"""`python -m api [--host H] [--port P] [--fd N]`: serve the API and the dashboard."""

import sys

from store.extras import run

if __name__ == "__main__":
    sys.exit(run("api.serve", program="python -m api", extra="api"))
