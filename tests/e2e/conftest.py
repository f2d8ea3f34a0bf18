"""A whole Retort for the lifecycle tests: migrations, API and workers as processes, on a port of its own.

One service runs per mode: SQLite with memory://, and PostgreSQL with Redis. A test may kill its processes, and leaves
them running again.
"""

import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from safetensors.numpy import load as load_safetensors

ROOT = Path(__file__).parent.parent.parent
MODES = [pytest.param("embedded"), pytest.param("distributed", marks=pytest.mark.servers)]
# Shorter than the defaults, so that a killed worker is noticed within seconds; one thread, so that runs compare.
SETTINGS = {
    "lease_seconds": 6, "beat_seconds": 1.5, "reaper_seconds": 0.5, "num_threads": 1, "plan_wait_seconds": 60,
}  # fmt: skip


def wait_for(what: Callable[[], Any], seconds: float, pause: float = 0.2) -> Any:
    """The first truthy answer of `what`; fails the test when none comes in time."""
    until = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(pause)
    return answer


def engines_below(pid: int) -> list[int]:
    """Process ids of the engines that have a job: a worker's children, as the kernel lists them, in a job's folder."""
    try:
        listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    children = [int(word) for text in listed for word in text.split()]
    return [child for child in children if is_alive(child) and "/attempts/job_" in os.readlink(f"/proc/{child}/cwd")]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class Running:
    """The processes of one service, and what a client does with it."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self.embedded = "database_url" not in settings
        self._log = (folder / "service.log").open("ab")
        own = {f"RETORT_{name.upper()}": str(value) for name, value in settings.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RETORT_")}
        self._environment = {**inherited, "OMP_NUM_THREADS": "1", **own, "PYTHONPATH": str(ROOT)}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=70)
        subprocess.run([sys.executable, "-m", "migrations"], env=self._environment, cwd=folder, check=True)
        self.api = self.start_api()
        self.worker = self.start_worker()

    def start_api(self) -> subprocess.Popen[bytes]:
        """Start the API and wait until it answers."""
        self.api = self._start("api", "--port", str(self._port))
        wait_for(self._answers, seconds=60)
        if "Authorization" not in self.client.headers:
            self.client.headers["Authorization"] = f"Bearer {self._key()}"
        return self.api

    def _key(self) -> str:
        """The key of this machine's user where the service is embedded; else a first key, as an operator makes it."""
        if self.embedded:
            return (self._folder / "data" / "token").read_text().strip()
        command = [sys.executable, "-m", "api.create_key", "--name", "tests"]
        done = subprocess.run(command, env=self._environment, cwd=self._folder, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode().strip()

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it has announced itself."""
        self.worker = self._start("worker")
        wait_for(self._is_announced, seconds=60)
        return self.worker

    def stop(self) -> None:
        """End all processes, as an operator would."""
        for process in (self.worker, self.api):
            process.send_signal(signal.SIGTERM)
        try:
            for process in (self.worker, self.api):
                process.wait(40)
        finally:
            for process in (self.worker, self.api):
                process.kill()
            self.client.close()
            self._log.close()

    def log(self) -> str:
        """What all processes have written."""
        return (self._folder / "service.log").read_text(errors="replace")

    def submit(self, body: dict[str, Any]) -> str:
        """Submit a job; its id."""
        answer = self.client.post("/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it stands."""
        answer = self.client.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, job_id: str, state: str, seconds: float = 400) -> dict[str, Any]:
        """The job once it is in `state`; fails where it ends in another."""

        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert job["state"] == state or not job["done"], f"{job['state']}: {job['error']}\n{self.log()[-3000:]}"
            return job if job["state"] == state else None

        return wait_for(reached, seconds)

    def wait_for_step(self, job_id: str, step: int) -> None:
        """Until the student has trained so many steps."""

        def reached() -> bool:
            job = self.job(job_id)
            assert not job["done"], f"{job['state']}: {job['error']}"
            return (job["progress"] or {}).get("step", 0) >= step

        wait_for(reached, 180)

    def wait_for_checkpoint(self, job_id: str, step: int) -> None:
        """Until a checkpoint of so many steps is stored: only from there does another attempt go on."""

        def reached() -> bool:
            events = self.client.get(f"/v1/jobs/{job_id}/events", params={"limit": 1000}).json()["data"]
            return any(event["kind"] == "checkpoint" and event["data"]["step"] >= step for event in events)

        wait_for(reached, 180)

    def download(self, job_id: str) -> dict[str, bytes]:
        """All artifacts by name, each checked against the size and sha256 that the list gives."""
        files = {}
        for one in self.client.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]:
            content = self.client.get(one["href"]).content
            assert (len(content), hashlib.sha256(content).hexdigest()) == (one["size_bytes"], one["sha256"])
            files[one["name"]] = content
        return files

    def weights(self, job_id: str) -> dict[str, bytes]:
        """Of model.safetensors, by name. (The file's header lists its metadata in no fixed order.)"""
        tensors = load_safetensors(self.download(job_id)["model.safetensors"])
        return {name: tensor.tobytes() for name, tensor in tensors.items()}

    def engines(self) -> list[int]:
        """Process ids of the worker's engines."""
        return engines_below(self.worker.pid)

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.Popen(command, env=self._environment, cwd=self._folder, stdout=self._log, stderr=self._log)

    def _is_announced(self) -> bool:
        assert self.worker.poll() is None, self.log()
        return self.worker.pid in [one["pid"] for one in self.client.get("/v1/workers").json()["data"]]

    def _answers(self) -> bool:
        assert self.api.poll() is None, self.log()
        try:
            return self.client.get("/livez").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running Retort for all tests of a module, in each mode."""
    folder = tmp_path_factory.mktemp(request.param)
    settings: dict[str, Any] = {"data_dir": folder / "data", **SETTINGS}
    if request.param == "distributed":
        settings["database_url"] = request.getfixturevalue("postgres_database")
        settings["broker_url"] = request.getfixturevalue("redis_url")
        settings |= {"file_roots": "/", "private_addresses": "true"}  # refused there by default
        settings["broker_prefix"] = f"retort_test_{secrets.token_hex(6)}"
    running = Running(folder, settings)
    yield running
    running.stop()
    if request.param == "distributed":
        with redis.Redis.from_url(settings["broker_url"]) as client:
            for key in client.scan_iter(f"{settings['broker_prefix']}*"):
                client.delete(key)


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[..., Any]:
    return wait_for


@pytest.fixture(name="is_alive")
def _is_alive() -> Callable[[int], bool]:
    return is_alive
