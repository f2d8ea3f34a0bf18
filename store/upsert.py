"""INSERT ... ON CONFLICT, which SQLAlchemy spells once a dialect."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

Insert = sqlite.Insert | postgresql.Insert


def insert_if_new(session: Session, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key is taken; whether it was inserted. A parallel inserter is waited for."""
    statement = _insert(session, table).values(dict(row)).on_conflict_do_nothing().returning(*table.primary_key)
    return session.execute(statement).first() is not None


def insert_or_replace(session: Session, table: Table, rows: Sequence[Mapping[str, Any]], **same: Any) -> None:
    """Insert rows (of distinct primary keys); those whose key is taken get the new values. `same` goes into all."""
    if not rows:
        return
    statement = _insert(session, table).values(**same) if same else _insert(session, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in (*rows[0], *same) if name not in keys}
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def _insert(session: Session, table: Table) -> Insert:
    dialect = session.get_bind().dialect.name
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
