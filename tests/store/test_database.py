"""The connection: durable, refused where it cannot be, and never locked against its own writers."""

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from store import database as database_module
from store import jobs
from store.clock import from_now, seconds_since
from store.database import Database, filesystem_of, is_away, open_database, to_json
from store.errors import DatabaseUnusable
from store.queue_table import queue
from store.schema import schema_is_current, schema_of
from store.tables import workers
from tests.store.conftest import Bench


def test_four_writers_are_never_locked_out(bench: Bench) -> None:
    errors: list[Exception] = []

    def write() -> None:
        try:
            for _ in range(12):
                lease = bench.claim(bench.submit().id)
                bench.do(jobs.request_cancel, lease.job_id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(bench.read(jobs.list_jobs, states=["cancelling"], limit=200).jobs) == 48


def test_a_reader_waits_for_no_writer(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database.begin() as writing:
        writing.execute(insert(workers).values(workers_row()))
        with database.read() as reading:
            assert reading.execute(select(workers)).all() == []
    database.close()


def workers_row() -> dict[str, object]:
    moment = {"started_at": from_now(), "last_seen_at": from_now()}
    return {"id": "w", "host": "h", "pid": 1, "devices": [], "version": "1", "slots": 1, **moment}


QUEUED = {"job_id": "job_none", "kind": "job", "devices": "auto", "tenant": "t", "key_id": "", "precedence": 0}


def test_sqlite_is_durable_and_keeps_references(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database.engine.connect() as connection:
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")}
    assert found == {"journal_mode": "wal", "synchronous": 2}  # 2 is FULL
    with pytest.raises(IntegrityError), database.begin() as session:
        session.execute(insert(queue).values(QUEUED))
    database.close()


def test_who_falls_asleep_in_a_transaction_loses_it(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And its locks, of which others wait: nothing else ends them while the process and its machine are there."""
    monkeypatch.setattr(database_module, "IDLE_SECONDS", 0.5)
    database = open_database(postgres_url)
    with database.begin() as session:
        session.execute(insert(workers).values(workers_row()))
    gone, free = update(workers).values(host="asleep"), update(workers).values(host="awake")
    with pytest.raises(DBAPIError) as refusal, database.begin() as asleep:
        asleep.execute(gone)
        with database.begin() as awake:
            awake.execute(text("SET LOCAL lock_timeout = '20s'"))
            awake.execute(free)  # waits for the lock
        asleep.execute(gone)
    assert refusal.value.connection_invalidated
    with database.read() as session:
        assert session.execute(select(workers.c.host)).scalar_one() == "awake"
    database.close()


def test_a_writer_waits_for_others_of_its_process_no_longer_than_is_said(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "TURN_SECONDS", 0.2)
    database = open_database(sqlite_url)

    def write() -> None:
        with database.begin():
            pass

    with ThreadPoolExecutor(1) as pool, database.begin():
        with pytest.raises(OperationalError) as refused:
            pool.submit(write).result(20)
        assert is_away(refused.value)
        assert schema_of(database) is not None  # who reads waits for nobody
    write()
    database.close()


def test_a_server_that_only_reads_counts_as_away_until_another_answers(postgres_url: str) -> None:
    database = open_database(postgres_url, pool_size=1)
    with database.begin() as session:
        session.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))  # as a standby's are
    with pytest.raises(DBAPIError) as refused, database.begin() as session:
        session.execute(insert(workers).values(workers_row()))
    assert is_away(refused.value)
    with database.begin() as session:  # by a new connection
        session.execute(insert(workers).values(workers_row()))
    with pytest.raises(DBAPIError) as defect, database.begin() as session:
        session.execute(text("SELECT nonsense"))
    assert not is_away(defect.value)
    database.close()


def test_the_database_clock_tells_the_time_in_utc(database: Database) -> None:
    moment = database.now()
    assert moment.tzinfo is UTC
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=5)
    with database.read() as session:
        later, age = session.execute(select(from_now(90.5), seconds_since(from_now(-2.25)))).one()
    assert timedelta(seconds=90.4) < later - moment < timedelta(seconds=150)
    assert age == pytest.approx(2.25, abs=0.1)


def test_moments_keep_their_fractions_and_need_a_zone(database: Database) -> None:
    moment = datetime(2026, 11, 21, 12, 0, 0, 123_000, tzinfo=UTC)
    elsewhere = moment.astimezone(ZoneInfo("Asia/Kathmandu"))
    with database.begin() as session:
        session.execute(insert(workers).values(workers_row() | {"started_at": elsewhere}))
        found = session.execute(select(workers.c.started_at)).scalar_one()
    assert abs(found - moment) < timedelta(microseconds=2)
    assert found.tzinfo is UTC
    with pytest.raises(Exception, match="no time zone"), database.begin() as session:
        session.execute(select(workers).where(workers.c.started_at == datetime(2026, 1, 1)))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "in-memory"),
        ("sqlite:///:memory:", "in-memory"),
        ("mysql://u:secret@h/db", "allowed are sqlite"),
        ("oracle://h/db", "allowed are sqlite"),
        ("nonsense:secret", "is no URL"),
    ],
)
def test_a_url_that_cannot_work_is_refused_by_name(url: str, why: str) -> None:
    with pytest.raises(DatabaseUnusable, match=why) as refused:
        open_database(url)
    assert "secret" not in str(refused.value)


def test_sqlite_on_a_network_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path}/share\\040one nfs4 rw 0 0\n")
    assert filesystem_of(tmp_path, mounts) == "ext4"
    assert filesystem_of(tmp_path / "share one" / "deep", mounts) == "nfs4"
    assert filesystem_of(tmp_path, tmp_path / "absent") is None
    monkeypatch.setattr("store.database.filesystem_of", lambda path: filesystem_of(path, mounts))
    with pytest.raises(DatabaseUnusable, match="nfs4"):
        open_database(f"sqlite:///{tmp_path}/share one/retort.db")


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/a/b/retort.db")
    assert database.now()
    assert schema_of(database) is None
    assert not schema_is_current(database)
    database.close()


def test_json_is_strict() -> None:
    told = {"a": math.nan, "b": [math.inf, 1.5, (2, -math.inf)], "c": {"d": None, "e": "é"}}
    assert json.loads(to_json(told)) == {"a": None, "b": [None, 1.5, [2, None]], "c": {"d": None, "e": "é"}}
