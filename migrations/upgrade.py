"""Upgrade a database to the newest schema; any number of processes may do so at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from store.database import Database

ADVISORY_LOCK = 0x5245544F5254  # "RETORT": the number under which migrating processes on PostgreSQL wait for each other


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file, so that it works from wherever the package is installed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The newest revision there is."""
    revision = ScriptDirectory.from_config(configuration()).get_current_head()
    if revision is None:
        raise RuntimeError("migrations/versions is empty: the package is not whole")
    return revision


def upgrade(database: Database) -> None:
    """Bring the schema to `head` in one transaction, all or nothing; waits for another process that does so."""
    with database.engine.begin() as connection:  # on SQLite this is BEGIN IMMEDIATE, which is the lock
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ADVISORY_LOCK})
        command.upgrade(configuration(connection), "head")
