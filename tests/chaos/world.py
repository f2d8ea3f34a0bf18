"""A whole service that may be broken: API, workers, database and broker as processes, and the API keys of two tenants.

`embedded`: SQLite and each worker's own broker. `distributed`: PostgreSQL and Redis, servers of this world alone.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import redis

from migrations.upgrade import upgrade
from store import keys
from store.callers import Limits
from store.database import Database, open_database
from tests.chaos import database_clock

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.append(str(ROOT / "tests" / "servers"))

from postgres_server import start_postgres  # noqa: E402  # a folder of modules, on the path of pytest alone
from redis_server import redis_program  # noqa: E402
from server_process import ServerProcess  # noqa: E402

Mode = Literal["embedded", "distributed"]
LEASE_SECONDS = 2.0
SETTINGS = {
    "lease_seconds": LEASE_SECONDS, "beat_seconds": 0.5, "reaper_seconds": 0.4, "dispatch_seconds": 0.1,
    "record_seconds": 0.1, "grace_seconds": 0.5, "drain_seconds": 3.0, "retry_seconds": 0.0, "max_attempts": 50,
    "max_silences": 1000, "warm_engines": 0, "private_addresses": "true",
}  # fmt: skip
NUM_WORKERS = 3
TENANTS = ("retail", "wholesale")


class World:
    """Use it as a context manager."""

    def __init__(self, folder: Path, mode: Mode, mutant: str = "") -> None:
        self.folder, self.mode, self.mutant = folder, mode, mutant
        self.postgres: ServerProcess | None = None
        self.redis_port, self.api_port = free_port(), free_port()
        self.redis: subprocess.Popen[bytes] | None = None
        self.url = f"sqlite:///{folder / 'retort.db'}"
        self.num_started = 0
        self.workers: list[subprocess.Popen[bytes]] = []
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "World":
        if self.mode == "distributed":
            # In a folder that PostgreSQL's own user may enter, as those of pytest are not.
            place = Path(self._open.enter_context(tempfile.TemporaryDirectory())) / "postgres"
            place.mkdir()
            self.postgres = start_postgres(place, keeps_commits=True)
            self._open.callback(lambda: self.postgres and self.postgres.stop())
            self.url = self.postgres.url
            self.start_redis()
        self.database = open_database(self.url)
        self._open.callback(self.database.close)
        upgrade(self.database)
        database_clock.make(self.database)
        self._open.enter_context(database_clock.installed())
        self.keys = {tenant: self._new_key(tenant) for tenant in TENANTS}
        self.workers = [self.start_worker() for _ in range(NUM_WORKERS)]
        self.api = self.start_api()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self.api, *([self.redis] if self.redis else [])):
            process.kill()
            process.wait()
        self._open.close()

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self._start("worker")

    def start_api(self) -> subprocess.Popen[bytes]:
        return self._start("api", "--port", str(self.api_port))

    def start_redis(self) -> None:
        """An empty server on the same port as before."""
        options = ["--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.redis = subprocess.Popen([redis_program(), *options], stdout=subprocess.DEVNULL)

    def flush_redis(self) -> None:
        with contextlib.suppress(redis.RedisError), redis.Redis(port=self.redis_port) as client:
            client.flushall()

    def engines(self) -> list[int]:
        """The processes that have a job."""
        return [engine for worker in self.workers for engine in children_of(worker.pid) if has_job(engine)]

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def _new_key(self, tenant: str) -> str:
        with self.database.begin() as session:
            return keys.create(session, tenant=tenant, name="chaos", scope="admin", limits=Limits())[1]

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        chosen: dict[str, Any] = {**SETTINGS, "database_url": self.url, "data_dir": self.folder / "data"}
        if self.redis is not None:
            chosen["broker_url"] = f"redis://127.0.0.1:{self.redis_port}/0"
        own = {f"RETORT_{name.upper()}": str(value) for name, value in chosen.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RETORT_")}
        environment = {**inherited, **own, "PYTHONPATH": str(ROOT), "CHAOS_MUTANT": self.mutant}
        self.num_started += 1
        with (self.folder / f"{arguments[0]}-{self.num_started}.log").open("wb") as log:
            command = [sys.executable, str(HERE / "child.py"), *arguments]
            return subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def children_of(pid: int) -> list[int]:
    try:
        listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(word) for text in listed for word in text.split()]


def has_job(pid: int) -> bool:
    try:
        return "/attempts/job_" in os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False


@contextlib.contextmanager
def stopped(processes: list[int]) -> Iterator[None]:
    """These processes do nothing during the block."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def wait_until_writable(database: Database, seconds: float = 30.0) -> None:
    """Until the database takes writes; raises what it said last."""
    until = time.monotonic() + seconds
    while True:
        try:
            with database.begin():
                return
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
