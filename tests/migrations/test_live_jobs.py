"""An upgrade from each released schema while jobs wait and run: each goes on where it was, and keeps what it stored."""

import hashlib
import json
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from stored_jobs import insert, migrate

from core.spec import parse_job
from migrations.upgrade import configuration, head, upgrade
from store import blobs, jobs, leases, reaper
from store.database import Database, open_database

REVISIONS = sorted(script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions())
STATE = b"the state of step 7"
SHA256 = hashlib.sha256(STATE).hexdigest()


@pytest.fixture
def database(empty_url: str) -> Any:
    opened = open_database(empty_url)
    yield opened
    opened.close()


def run(database: Database, statement: str, **values: object) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(statement), values)


def put_checkpoint(database: Database) -> None:
    """As every version stores one: a blob of one chunk."""
    now = "1.0" if database.engine.dialect.name == "sqlite" else "now()"
    size = len(STATE)
    run(database, f"INSERT INTO blobs (sha256, size_bytes, touched_at) VALUES ('{SHA256}', {size}, {now})")
    run(database, "INSERT INTO blob_chunks (blob_id, number, data) SELECT id, 0, :data FROM blobs", data=STATE)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_jobs_that_wait_and_run_go_on_after_an_upgrade(database: Database, revision: str) -> None:
    migrate(database, revision)
    spec = parse_job({"dataset": "builtin:digits", "student": "nano", "method": "scratch"}).model_dump(mode="json")
    for job_id in ("job_running", "job_waiting"):
        insert(database, job_id, json.loads(json.dumps(spec)), None)
    if revision >= "0013":  # from here on a job that waits has a row in the queue
        names = "job_id, kind, devices, tenant, key_id, precedence"
        run(database, f"INSERT INTO queue ({names}) VALUES ('job_waiting', 'job', 'auto', 'default', '', 0)")
    put_checkpoint(database)
    past = "1.0" if database.engine.dialect.name == "sqlite" else "now() - interval '1 hour'"
    run(
        database,
        f"UPDATE jobs SET state = 'running', token = 3, attempt = 1, owner = 'old', lease_until = {past}, "
        f"beat_at = {past}, checkpoint_sha256 = '{SHA256}', checkpoint_path = 'c/7.pt', checkpoint_step = 7 "
        "WHERE id = 'job_running'",
    )
    upgrade(database)
    with database.begin() as session:
        assert reaper.reap(session, max_silences=3) == ["job_running"]
    taken = {}
    for _ in range(2):
        with database.begin() as session:
            lease = leases.claim_next(session, "job", owner="new", lease_seconds=60, num_gpus=0, max_running=None)
        assert lease is not None
        taken[lease.job_id] = lease
    (checkpoint,) = taken["job_running"].checkpoints
    assert (checkpoint.step, checkpoint.path) == (7, "c/7.pt")
    assert b"".join(blobs.read_whole(database, checkpoint.sha256)) == STATE
    assert parse_job(taken["job_waiting"].spec).method.name == "scratch"
    with database.begin() as session:
        assert leases.succeed(session, taken["job_waiting"], {"metrics": {}})
        assert jobs.get(session, "job_waiting").state == "succeeded"


def test_there_is_one_line_of_revisions() -> None:
    assert REVISIONS[-1] == head()
