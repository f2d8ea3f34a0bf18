"""Bring the database to the newest schema, or say whether it is there: what `python -m migrations` does."""

import argparse

from migrations.upgrade import head, upgrade
from store.database import Database, open_database
from store.schema import schema_of
from store.settings import Settings, masked


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0: the schema is the newest; 1: --check found that it is not."""
    parser = argparse.ArgumentParser(
        prog="python -m migrations", description="Upgrade the database to the newest schema."
    )
    parser.add_argument("--url", help="database URL; by default that of the settings (RETORT_DATABASE_URL)")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 where the schema is not the newest"
    )
    chosen = parser.parse_args(arguments)
    url = chosen.url or Settings.load().url
    database = open_database(url)
    try:
        return _check(database) if chosen.check else _upgrade(database, url)
    finally:
        database.close()


def _check(database: Database) -> int:
    found, newest = schema_of(database), head()
    print(f"the schema is {found or 'empty'}, the newest is {newest}")
    return 0 if found == newest else 1


def _upgrade(database: Database, url: str) -> int:
    upgrade(database)
    print(f"{masked(url)} has schema {schema_of(database)}")
    return 0
