"""Find, and on request remove, objects that no blob of the database names: what `python -m store.object_sweep` does.

Each object has a row before it has a byte, and blobs.collect_garbage removes both. Objects without a row come from
outside: a database that was restored from a backup knows nothing of what was written after it.
"""

import argparse
from collections.abc import Iterator
from itertools import islice

from sqlalchemy import select

from store.blob_bytes import objects_of
from store.database import Database, open_from
from store.settings import Settings
from store.tables import blobs

KEYS_AT_ONCE = 500
# A day: a restored database may be behind by hours, and its jobs write meanwhile.
OLD_SECONDS = 86_400.0


def orphans(database: Database, older_than_seconds: float = OLD_SECONDS) -> Iterator[tuple[str, int]]:
    """The key and the size in bytes of each such object. Raises BlobStoreAway, BlobStoreRefused."""
    found = objects_of(database).keys(older_than_seconds=older_than_seconds)
    while some := list(islice(found, KEYS_AT_ONCE)):
        asked = select(blobs.c.object_key).where(blobs.c.object_key.in_([key for key, _ in some]))
        with database.read() as session:
            known = set(session.execute(asked).scalars())
        yield from ((key, size) for key, size in some if key not in known)


def main(arguments: list[str] | None = None) -> int:
    """List the orphans; `--delete` removes them."""
    parser = argparse.ArgumentParser(prog="python -m store.object_sweep", description=__doc__.partition("\n")[0])
    parser.add_argument("--delete", action="store_true", help="remove them; without it nothing is changed")
    parser.add_argument("--older-than-seconds", type=float, default=OLD_SECONDS, help="leave what is younger")
    chosen = parser.parse_args(arguments)
    database = open_from(Settings.load())
    count = num_bytes = 0
    for key, size in orphans(database, chosen.older_than_seconds):
        print(key)
        count, num_bytes = count + 1, num_bytes + size
        if chosen.delete:
            objects_of(database).delete(key)
    print(f"{count} objects of {num_bytes} bytes {'removed' if chosen.delete else 'belong to no blob'}")
    database.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
