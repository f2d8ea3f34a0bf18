"""Workers for tests: attempts in this process, and whole worker processes; both run the stand-in engine."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.spec import parse_job
from store import jobs, leases, queries
from store.database import Database
from store.settings import Settings
from store.values import Job
from worker import attempt as attempts
from worker.attempt import WorkerContext
from worker.quarantine import Quarantine
from worker.self_check import SelfCheck

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENGINE = (sys.executable, str(HERE / "stand_in.py"))
# Short, so that tests of time pass in seconds; the relations are those of the defaults.
SETTINGS: dict[str, Any] = {
    "lease_seconds": 3.0, "beat_seconds": 0.75, "reaper_seconds": 0.5, "dispatch_seconds": 0.1,
    "record_seconds": 0.1, "grace_seconds": 1.0, "drain_seconds": 5.0, "retry_seconds": 0.0, "min_free_bytes": 1 << 20,
}  # fmt: skip

Submit = Callable[..., str]
StartWorker = Callable[..., subprocess.Popen[bytes]]


def spec(**labels: object) -> dict[str, Any]:
    """A job whose labels tell the stand-in what to do."""
    return {
        "dataset": "builtin:digits", "student": "nano", "labels": {name: str(value) for name, value in labels.items()},
        "training": {"checkpoint_seconds": 0.01},
    }  # fmt: skip


def wait_for(what: Callable[[], Any], seconds: float = 60.0, pause: float = 0.05) -> Any:
    """The first truthy answer of `what`; fails the test when none comes in time."""
    until = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(pause)
    return answer


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def attempt(context: WorkerContext, job_id: str) -> None:
    """Claim the job, if it is to be had, and run it."""
    claimed_at = time.monotonic()
    with context.database.begin() as session:
        lease = leases.claim(session, job_id, owner=context.worker_id, lease_seconds=context.settings.lease_seconds)
    if lease is not None:
        attempts.attempt(context, lease, claimed_at)


@pytest.fixture
def submit(database: Database) -> Submit:
    """Store a job for the stand-in; its id."""

    def submit_job(kind: str = "job", more: dict[str, Any] | None = None, **labels: object) -> str:
        with database.begin() as session:
            return jobs.submit(session, parse_job({**spec(**labels), **(more or {})}), kind=kind).job.id

    return submit_job


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that a job submitted with `gate=gate` waits for before its last step: it cannot end too early."""
    return tmp_path / "gate"


@pytest.fixture
def look(database: Database) -> Callable[[str], Job]:
    """The job as it stands."""

    def look_at(job_id: str) -> Job:
        with database.read() as session:
            return jobs.get(session, job_id)

    return look_at


@pytest.fixture
def log_of(database: Database) -> Callable[[str], list[str]]:
    """The messages that a job logged."""

    def read(job_id: str) -> list[str]:
        with database.read() as session:
            return [line.message for line in queries.logs(session, job_id, limit=100_000)]

    return read


@pytest.fixture
def context(database: Database, tmp_path: Path) -> WorkerContext:
    """What attempts in this process share."""
    settings = Settings(data_dir=tmp_path / "data", **SETTINGS)
    quarantine = Quarantine(SelfCheck(settings, ENGINE, ["cpu"]), 0.1)
    return WorkerContext(database, settings, "worker-of-the-test", ENGINE, threading.Event(), quarantine)


@pytest.fixture
def broker(database_url: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """The broker of the mode: memory:// with SQLite, Redis with PostgreSQL."""
    if database_url.startswith("sqlite"):
        return {"broker_url": "memory://"}
    redis_url, prefix = request.getfixturevalue("redis_url"), request.getfixturevalue("redis_prefix")
    return {"broker_url": redis_url, "broker_prefix": prefix}


@pytest.fixture
def start_worker(database: Database, tmp_path: Path, broker: dict[str, str]) -> Iterator[StartWorker]:
    """Start worker processes on the test's database; all are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**settings: object) -> subprocess.Popen[bytes]:
        chosen = {
            "database_url": database.engine.url.render_as_string(hide_password=False),
            "data_dir": tmp_path / "data", **SETTINGS, **broker, **settings,
        }  # fmt: skip
        environment = {f"RETORT_{name.upper()}": str(value) for name, value in chosen.items()}
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            command = [sys.executable, str(HERE / "working.py")]
            inherited = {**os.environ, "PYTHONPATH": str(ROOT)}
            started.append(subprocess.Popen(command, env=inherited | environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    for log in sorted(tmp_path.glob("worker-*.log")):
        print(f"--- {log.name}\n{log.read_text()[-4000:]}")


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[..., Any]:
    return wait_for


@pytest.fixture(name="is_alive")
def _is_alive() -> Callable[[int], bool]:
    return is_alive
