"""`python -m retort`: the `retort` command where no script directory is on PATH."""

import sys

from retort.cli import main

if __name__ == "__main__":
    sys.exit(main())
