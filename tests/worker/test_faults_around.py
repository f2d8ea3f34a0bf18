"""What a worker does when the broker or the database is away, and what its parts do at their limits."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from guarded import missing
from redis_server import redis_program
from server_process import NotInstalled
from sqlalchemy import make_url

from store import workers
from store.database import Database, open_database
from store.values import Job
from tests.worker.conftest import attempt
from worker.attempt import WorkerContext

Look = Callable[[str], Job]


class OwnRedis:
    """A Redis server of the test's own, which it may kill."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._folder = folder
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [redis_program(), "--port", str(self.port), "--save", "", "--dir", str(self._folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis.from_url(self.url)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    try:
        server = OwnRedis(tmp_path)
    except NotInstalled as error:
        missing(str(error))
    yield server
    server.kill()


@pytest.mark.servers
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_killed_broker_loses_nothing(
    own_redis: OwnRedis, start_worker: Any, submit: Any, look: Look, wait_for: Any, gate: Path
) -> None:
    worker = start_worker(broker_url=own_redis.url)
    running, waiting = submit(gate=gate), submit()
    wait_for(lambda: look(running).state == "running")
    own_redis.kill()
    submitted_without_broker = submit()
    gate.touch()
    wait_for(lambda: look(running).done)  # a training does not need the broker
    assert look(running).state == "succeeded"
    own_redis.start()
    wait_for(lambda: look(waiting).done and look(submitted_without_broker).done, seconds=60)
    assert (look(waiting).state, look(submitted_without_broker).state) == ("succeeded", "succeeded")
    assert worker.poll() is None


class Proxy:
    """Forwards TCP connections to a server until it is told to swallow everything."""

    def __init__(self, host: str, port: int, listen: int = 0) -> None:
        self._target = (host, port)
        self.swallow = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", listen))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if not self.swallow.is_set():
                    sink.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.mark.servers
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_an_engine_ends_before_its_lease_when_the_database_is_a_black_hole(
    database: Database, database_url: str, context: WorkerContext, submit: Any, look: Look, log_of: Any, wait_for: Any,
    is_alive: Any,
) -> None:  # fmt: skip
    url = make_url(database_url)
    proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
    through = open_database(url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False))
    far = replace(context, database=through, worker_id="far-worker")
    job_id = submit(steps=1000, seconds=0.05)
    thread = threading.Thread(target=attempt, args=(far, job_id))
    thread.start()
    line = wait_for(lambda: [text for text in log_of(job_id) if "in process" in text])[0]
    engine = int(line.split()[-1])
    time.sleep(1)
    assert is_alive(engine)
    proxy.swallow.set()
    began = time.monotonic()
    wait_for(lambda: not is_alive(engine), seconds=context.settings.lease_seconds)
    assert time.monotonic() - began < context.settings.lease_seconds
    assert look(job_id).state == "running"  # it could tell nobody; the reaper will find it
    proxy.close()
    thread.join(20)
    assert not thread.is_alive()
    through.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_engine_outlives_a_short_lock_of_the_database(
    database: Database, context: WorkerContext, submit: Any, look: Look, wait_for: Any, gate: Path
) -> None:
    job_id = submit(steps=20, seconds=0.1, gate=gate)
    thread = threading.Thread(target=attempt, args=(context, job_id))
    thread.start()
    wait_for(lambda: (look(job_id).progress or {}).get("step", 0) >= 2)
    with database.begin():  # nobody else can write now
        time.sleep(1)
    gate.touch()
    thread.join(20)
    assert look(job_id).state == "succeeded"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_needs_no_torch_and_names_itself(start_worker: Any, database: Database, wait_for: Any) -> None:
    worker = start_worker()

    def listed() -> list[Any]:
        with database.read() as session:
            return workers.list_workers(session)

    (one,) = wait_for(listed)
    assert one.pid == worker.pid
    assert "libtorch" not in Path(f"/proc/{worker.pid}/maps").read_text()
    os.kill(worker.pid, signal.SIGINT)
    assert worker.wait(10) == 0


@pytest.mark.servers
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_worker_waits_for_a_database_that_is_away_at_its_start(
    database: Database, database_url: str, tmp_path: Path, wait_for: Any
) -> None:
    url = make_url(database_url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    away = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    environment = {"RETORT_DATABASE_URL": away, "RETORT_DATA_DIR": str(tmp_path / "data"), "RETORT_WARM_ENGINES": "0"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "worker"], env=os.environ | environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stderr is not None
        assert "does not answer" in process.stderr.readline()
    processes[0].terminate()
    assert processes[0].wait(20) == 0
    proxy = Proxy(url.host or "127.0.0.1", url.port or 5432, port)

    def listed() -> list[int]:
        with database.read() as session:
            return [one.pid for one in workers.list_workers(session)]

    wait_for(lambda: listed() == [processes[1].pid])
    processes[1].terminate()
    assert processes[1].wait(30) == 0
    proxy.close()


@pytest.mark.servers
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_waits_for_a_broker_that_is_away_at_its_start(
    own_redis: OwnRedis, start_worker: Any, submit: Any, look: Look, wait_for: Any, database: Database
) -> None:
    own_redis.kill()
    worker, told_to_end = start_worker(broker_url=own_redis.url), start_worker(broker_url=own_redis.url)
    job_id = submit()
    wait_for(lambda: len(_listed(database)) == 2)
    told_to_end.terminate()
    assert told_to_end.wait(30) == 0
    assert worker.poll() is None
    own_redis.start()
    wait_for(lambda: look(job_id).state == "succeeded")


def _listed(database: Database) -> list[Any]:
    with database.read() as session:
        return workers.list_workers(session)
