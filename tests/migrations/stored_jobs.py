"""Rows of jobs as an older revision stored them, and the way from one revision to another."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import command

from migrations.upgrade import configuration
from store.database import Database


def migrate(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        going = command.upgrade if revision > (current(connection) or "") else command.downgrade
        going(configuration(connection), revision)


def current(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def insert(database: Database, job_id: str, spec: dict[str, Any], resolved: dict[str, Any] | None) -> None:
    moment = datetime.now(UTC)
    row = {
        "id": job_id, "kind": "job", "name": "", "priority": 0, "state": "queued", "spec": json.dumps(spec),
        "resolved": resolved and json.dumps(resolved), "created_at": moment.timestamp(),
    }  # fmt: skip
    created = ":created_at" if database.engine.dialect.name == "sqlite" else "to_timestamp(:created_at)"
    counters = "attempt, token, crashes, runtime_seconds, version, last_seq"
    with database.engine.begin() as connection:
        connection.execute(
            sa.text(
                f"INSERT INTO jobs (id, kind, name, priority, state, spec, resolved, created_at, {counters}) VALUES "
                f"(:id, :kind, :name, :priority, :state, :spec, :resolved, {created}, 0, 0, 0, 0, 1, 1)"
            ),
            row,
        )


def stored(database: Database, job_id: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    with database.engine.connect() as connection:
        row = connection.execute(sa.text("SELECT spec, resolved FROM jobs WHERE id = :id"), {"id": job_id}).one()
    return tuple(json.loads(value) if isinstance(value, str) else value for value in row)
