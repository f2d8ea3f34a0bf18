"""Which schema this code was written for, and whether a database has it. `python -m migrations` brings it there."""

from sqlalchemy import column, inspect, select, table

from store.database import Database
from store.tables import SCHEMA


def schema_of(database: Database) -> str | None:
    """The revision of the database's schema; None before the first migration."""
    with database.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        return session.execute(select(column("version_num")).select_from(table("alembic_version"))).scalar_one_or_none()


def schema_is_current(database: Database) -> bool:
    """Whether the tables are those that this code was written for."""
    return schema_of(database) == SCHEMA
