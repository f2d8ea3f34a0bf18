"""A whole copy of the embedded database while the service runs: what `python -m store.backup FILE` does.

Copying the file itself would miss what is in its write-ahead log. Of PostgreSQL, pg_dump makes copies.
"""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

from store.database import Database, open_from
from store.settings import Settings


def back_up(database: Database, target: Path) -> None:
    """Write the database as it is at one moment to a new file that only its user can read. Readers and writers go on.

    Raises FileExistsError where `target` is there.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with closing(database.engine.raw_connection()) as connection:
            connection.cursor().execute("VACUUM INTO ?", (str(target),))
    except BaseException:
        target.unlink()
        raise


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0: the copy is whole; 1: it was not made."""
    parser = argparse.ArgumentParser(prog="python -m store.backup", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="where the copy goes; it must not be there")
    target = parser.parse_args(arguments).file
    settings = Settings.load()
    if not settings.is_embedded:
        print("this is for the embedded database; copy PostgreSQL with pg_dump --format=custom", file=sys.stderr)
        return 1
    database = open_from(settings)
    try:
        back_up(database, target)
    except FileExistsError:
        print(f"{target} is there; name a new file", file=sys.stderr)
        return 1
    finally:
        database.close()
    print(f"{target} has {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
