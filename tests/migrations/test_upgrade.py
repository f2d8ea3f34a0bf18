"""The migrated schema is the one that the code describes, however many processes migrate at once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import make_url, text

from migrations.command import main
from migrations.upgrade import head, upgrade
from store.database import Database, open_database
from store.job_traces import job_traces
from store.schema import schema_is_current, schema_of
from store.tables import SCHEMA, metadata
from store.webhook_tables import webhooks


def run(*arguments: str, **options: Any) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "migrations", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def test_migrated_schema_equals_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert webhooks.metadata is job_traces.metadata is metadata
        assert compare_metadata(context, metadata) == []


def test_a_missing_column_would_be_seen(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE workers ADD COLUMN surplus INTEGER"))
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
        connection.execute(text("ALTER TABLE workers DROP COLUMN surplus"))
    assert [difference[0] for difference in differences] == ["remove_column"]


def test_the_code_expects_the_newest_revision(database: Database) -> None:
    assert head() == SCHEMA
    assert schema_is_current(database)


def test_check_tells_an_empty_database_from_a_migrated_one(empty_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--url", empty_url]) == 1
    assert capsys.readouterr().out == f"the schema is empty, the newest is {SCHEMA}\n"
    assert main(["--url", empty_url]) == 0
    assert main(["--check", "--url", empty_url]) == 0


def test_two_processes_at_once_both_succeed(empty_url: str) -> None:
    processes = [run("--url", empty_url) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs


@pytest.mark.servers
def test_the_url_comes_from_the_settings_and_its_password_stays_out_of_the_output(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETORT_DATABASE_URL", postgres_url)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    output, _ = run(cwd=tmp_path).communicate(timeout=60)
    password = make_url(postgres_url).password
    assert f"has schema {SCHEMA}" in output
    assert f":{password}@" not in output


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE outbox (job_id TEXT)"))  # in the way of the migration, half way through
    with pytest.raises(Exception, match="outbox"):
        upgrade(database)
    assert schema_of(database) is None
    with database.engine.connect() as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    assert tables == ["outbox"]
