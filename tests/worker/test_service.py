"""Whole worker processes with the stand-in engine, in both modes: SQLite with memory://, PostgreSQL with Redis."""

import base64
import hashlib
import json
import os
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from store import queries, workers
from store.catalogues import catalogue
from store.database import Database
from store.values import Job

Look = Callable[[str], Job]


def chain(steps: int) -> dict[str, str]:
    state = ""
    for step in range(1, steps + 1):
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
    return {"state": state}


@pytest.fixture
def step_of(look: Look) -> Callable[[str], int]:
    """How far a job says it is."""
    return lambda job_id: (look(job_id).progress or {}).get("step", 0)


@pytest.fixture
def engine_of(log_of: Any) -> Callable[[str], int]:
    """The process id of a job's latest engine."""
    return lambda job_id: int([line for line in log_of(job_id) if "in process" in line][-1].split()[-1])


def test_jobs_are_run_one_at_a_time_and_a_plan_beside_them(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, database: Database, gate: Path
) -> None:
    first, second = submit(gate=gate), submit()
    start_worker()
    wait_for(lambda: look(first).state == "running")
    plan = submit("plan")
    wait_for(lambda: look(plan).state == "succeeded", seconds=10)
    assert (look(first).state, look(second).state) == ("running", "queued")
    gate.touch()
    wait_for(lambda: look(second).done)
    assert (look(first).state, look(second).state) == ("succeeded", "succeeded")
    assert look(first).finished_at <= look(second).started_at
    with database.read() as session:
        (worker,) = workers.list_workers(session)
        assert worker.alive and worker.slots == 1 and "cpu" in worker.devices
        assert catalogue(session, "version") is not None


def test_two_workers_run_each_job_once(start_worker: Any, submit: Any, look: Look, wait_for: Any) -> None:
    ids = [submit(steps=2, seconds=0.2) for _ in range(6)]
    start_worker()
    start_worker()
    wait_for(lambda: all(look(job_id).done for job_id in ids), seconds=40)
    assert {look(job_id).state for job_id in ids} == {"succeeded"}
    assert [len(look(job_id).attempts) for job_id in ids] == [1] * 6
    assert len({look(job_id).attempts[0].worker for job_id in ids}) == 2


def test_a_job_for_gpus_waits_for_a_worker_that_has_them(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    start_worker()
    wide = submit(more={"training": {"devices": "cuda:2"}, "priority": 5})
    after = submit()
    wait_for(lambda: look(after).state == "succeeded")
    queue = look(wide).queue
    assert queue is not None and (queue.position, queue.eligible_workers) == (1, 0) and "cuda:2" in str(queue.reason)
    assert (look(wide).state, look(wide).attempts) == ("queued", ())
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'NVIDIA L4, 23034 MiB'\necho 'NVIDIA L4, 23034 MiB'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    start_worker()
    wait_for(lambda: look(wide).done)
    assert look(wide).state == "succeeded"
    assert look(wide).attempts[0].worker != look(after).attempts[0].worker


def test_a_killed_workers_engine_ends_and_another_worker_goes_on(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, engine_of: Any, is_alive: Any, log_of: Any,
    tmp_path: Path, gate: Path, database: Database,
) -> None:  # fmt: skip
    worker = start_worker()
    job_id = submit(steps=20, seconds=0.01, gate=gate)
    wait_for(lambda: any(e.kind == "checkpoint" and e.data["step"] >= 3 for e in events_of(database, job_id)))
    engine = engine_of(job_id)
    assert is_alive(engine)
    worker.kill()
    wait_for(lambda: not is_alive(engine), seconds=3)
    assert look(job_id).state == "running"  # nobody has said otherwise yet
    assert any((tmp_path / "data" / "attempts").glob("job_*"))
    gate.touch()
    start_worker()
    wait_for(lambda: look(job_id).done)
    job = look(job_id)
    assert (job.state, job.result["metrics"]) == ("succeeded", chain(20))
    assert [attempt.outcome for attempt in job.attempts] == ["lost", "succeeded"]
    resumed = [line for line in log_of(job_id) if "training from" in line][-1]
    assert int(resumed.split()[3]) >= 3
    wait_for(lambda: not any((tmp_path / "data" / "attempts").glob("job_*")), seconds=3)


def test_a_stopped_worker_gives_its_job_back_and_leaves(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, step_of: Any, engine_of: Any, is_alive: Any,
    database: Database, gate: Path,
) -> None:  # fmt: skip
    worker = start_worker()
    job_id = submit(steps=15, seconds=0.01, gate=gate)
    wait_for(lambda: step_of(job_id) >= 2)
    engine = engine_of(job_id)
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)  # an impatient supervisor changes nothing
    assert worker.wait(8) == 0
    assert not is_alive(engine)
    assert (look(job_id).state, look(job_id).attempts[0].outcome) == ("queued", "released")
    with database.read() as session:
        assert workers.list_workers(session) == []
    gate.touch()
    start_worker()
    wait_for(lambda: look(job_id).done)
    assert look(job_id).result["metrics"] == chain(15)


def test_a_worker_that_slept_through_its_lease_can_write_nothing(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, step_of: Any, engine_of: Any, is_alive: Any,
    database: Database, gate: Path,
) -> None:  # fmt: skip
    stale = start_worker()
    job_id = submit(steps=60, seconds=0.1, gate=gate)
    wait_for(lambda: step_of(job_id) >= 3)
    engine = engine_of(job_id)
    put_to_sleep(stale, database)  # the engine trains on, and fills its pipe with checkpoints and metrics
    start_worker()
    wait_for(lambda: len(look(job_id).attempts) == 2)
    mark = max(event.seq for event in events_of(database, job_id))
    stale.send_signal(signal.SIGCONT)
    wait_for(lambda: not is_alive(engine), seconds=5)
    gate.touch()
    wait_for(lambda: look(job_id).done)
    job = look(job_id)
    assert (job.state, job.result["metrics"]) == ("succeeded", chain(60))
    assert [attempt.outcome for attempt in job.attempts] == ["lost", "succeeded"]
    assert {event.attempt for event in events_of(database, job_id) if event.seq > mark} == {2}
    assert stale.poll() is None  # it lives on, for other jobs


def put_to_sleep(worker: Any, database: Database) -> None:
    """Stop the process where it holds no lock: SQLite has one writer, and a writer asleep is a database asleep."""
    sqlite = database.engine.dialect.name == "sqlite"
    while True:
        worker.send_signal(signal.SIGSTOP)
        while not all(state_of(thread) == "T" for thread in Path(f"/proc/{worker.pid}/task").iterdir()):
            time.sleep(0.001)  # a thread inside a system call stops at its end, and may take the lock before
        if not sqlite:
            return
        connection = sqlite3.connect(database.engine.url.database, timeout=0.2, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError:
            worker.send_signal(signal.SIGCONT)
        finally:
            connection.close()


def state_of(thread: Path) -> str:
    """The letter by which the kernel says what a thread does; empty where it has ended."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def events_of(database: Database, job_id: str) -> list[Any]:
    with database.read() as session:
        return queries.events(session, job_id, limit=10_000)


@pytest.mark.servers
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_foreign_messages_are_refused_and_the_worker_lives(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, database: Database, broker: dict[str, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    worker = start_worker()
    wait_for(lambda: listed(database))
    client = redis.Redis.from_url(broker["broker_url"])
    queue = f"{broker['broker_prefix']}:{broker['broker_prefix']}.cpu"
    canary = tmp_path / "canary"
    pickle = f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode()
    for body, content_type, task in (
        (pickle, "application/x-python-serialize", "retort.wake"),
        (b'[["retort.cpu"], {}, {}]', "application/json", "os.system"),
        (b'[["../../etc/passwd"], {}, {}]', "application/json", "retort.wake"),
        (b'[[{"$ne": 1}], {}, {}]', "application/json", "retort.wake"),
        (b"[[], {}, {}]", "application/json", "retort.wake"),
        (b"no json", "application/json", "retort.wake"),
    ):
        client.lpush(queue, envelope(body, content_type, task, queue))
    wait_for(lambda: client.llen(queue) == 0, seconds=10)
    client.close()
    job_id = submit()
    wait_for(lambda: look(job_id).state == "succeeded", seconds=30)
    assert worker.poll() is None
    assert not canary.exists()


@pytest.mark.servers
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_consumer_that_fails_ends_its_worker_and_no_job_is_lost(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, step_of: Any, database: Database, broker: dict[str, str]
) -> None:
    worker = start_worker()
    job_id = submit(steps=1000, seconds=0.1)
    wait_for(lambda: step_of(job_id) >= 1)
    client = redis.Redis.from_url(broker["broker_url"])
    client.lpush(f"{broker['broker_prefix']}:{broker['broker_prefix']}.plans.cpu", b"no message of Celery's at all")
    assert worker.wait(15) == 1
    client.close()
    assert (look(job_id).state, look(job_id).attempts[0].outcome) == ("queued", "released")


@pytest.mark.servers
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_workers_share_their_queue_and_a_full_or_stopped_one_keeps_nobody_waiting(
    start_worker: Any, submit: Any, look: Look, wait_for: Any, database: Database, broker: dict[str, str], gate: Path
) -> None:
    full, stopped = start_worker(lease_seconds=60, beat_seconds=15), start_worker(lease_seconds=60, beat_seconds=15)
    wait_for(lambda: len(listed(database)) == 2)
    long = submit(gate=gate)
    wait_for(lambda: look(long).state == "running")
    by_pid = {one.pid: one.id for one in listed(database)}
    if look(long).attempts[0].worker == by_pid[stopped.pid]:
        full, stopped = stopped, full
    stopped.send_signal(signal.SIGSTOP)
    start_worker()
    for _ in range(3):  # the full worker hears none of them, and what the stopped one hears costs a sweep at most
        job_id = submit()
        wait_for(lambda job_id=job_id: look(job_id).state == "succeeded", seconds=20)
        assert look(job_id).attempts[0].worker not in by_pid.values()
    stopped.send_signal(signal.SIGCONT)
    gate.touch()
    wait_for(lambda: look(long).done)
    client = redis.Redis.from_url(broker["broker_url"])
    wait_for(lambda: client.llen(f"{broker['broker_prefix']}:{broker['broker_prefix']}.cpu") == 0, seconds=15)
    client.close()


def listed(database: Database) -> list[Any]:
    with database.read() as session:
        return workers.list_workers(session)


def envelope(body: bytes, content_type: str, task: str, queue: str) -> str:
    """A message as Celery 5 puts it into Redis."""
    name = str(uuid.uuid4())
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": name, "root_id": name, "argsrepr": "", "kwargsrepr": ""},
            "properties": {
                "correlation_id": name,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "body_encoding": "base64",
                "delivery_tag": name,
            },
        }
    )
