"""Hostile requests against the service as `python -m api` serves it: each is refused or harmless, and it lives on.

Printed: how many were tried, how many refused, how many did harm, and how far the server's memory grew.
"""

import io
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from core.spec import parse_job
from store import blobs, jobs, leases
from store.database import open_database
from tests.api.hostile.bodies import BODIES
from tests.api.hostile.queries import QUERIED
from tests.api.hostile.request import CLOSED, JOB, KEY, Hostile
from tests.api.hostile.wire import WIRE
from tests.conftest import migrate

ROOT = Path(__file__).parents[2]
SPEC = {"teacher": "torchvision/resnet50", "dataset": "s3://shelf/photos.zip", "student": "small"}
CORPUS = [*WIRE, *QUERIED, *BODIES]
MAX_ANSWER_BYTES = 256 * 1024
MAX_GROWTH_BYTES = 384 * 2**20  # what 20 threads keep of bodies of a megabyte: it stays below 320 MiB after 12 passes
AT_ONCE = 12
MARGIN_SECONDS = 45.0  # for a machine that does other work


@dataclass(frozen=True)
class Service:
    """A running `python -m api`, its only user's key, and a job of that user that has an artifact and has ended."""

    process: subprocess.Popen[bytes]
    port: int
    key: str
    job_id: str

    def lives(self) -> bool:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/livez", timeout=20)
        return self.process.poll() is None and answer.status_code == 200

    def memory_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def filled(self, data: bytes) -> bytes:
        return data.replace(KEY, self.key.encode()).replace(JOB, self.job_id.encode())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("hostile")
    migrate(f"sqlite:///{folder}/retort.db")
    job_id = put_finished_job(folder)
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api", "--fd", str(listening.fileno())],
            cwd=ROOT,
            env={"RETORT_DATA_DIR": str(folder), "RETORT_PLAN_WAIT_SECONDS": "0.1", "PATH": "/usr/bin:/bin"},
            pass_fds=[listening.fileno()],
            stderr=log,
        )
    port = listening.getsockname()[1]
    try:
        until = time.monotonic() + 60
        while not (folder / "token").is_file():
            assert process.poll() is None and time.monotonic() < until, (folder / "api.log").read_text()
            time.sleep(0.1)
        found = Service(process, port, (folder / "token").read_text().strip(), job_id)
        assert found.lives()
        yield found
    finally:
        process.terminate()
        process.wait(30)
        listening.close()
    assert "Traceback" not in (folder / "api.log").read_text(errors="replace")


def put_finished_job(folder: Path) -> str:
    database = open_database(f"sqlite:///{folder}/retort.db")
    with database.begin() as session:
        job = jobs.submit(session, parse_job(SPEC)).job
        lease = leases.claim(session, job.id, owner="worker-1", lease_seconds=600)
    blob = blobs.put(database, io.BytesIO(bytes(4096)))
    assert lease is not None
    with database.begin() as session:
        leases.add_artifact(session, lease, "model.bin", "application/octet-stream", blob.sha256, blob.size_bytes)
        leases.succeed(session, lease, {})
    database.close()
    return job.id


@dataclass(frozen=True)
class Ending:
    """How one hostile request ended."""

    hostile: Hostile
    answer: bytes
    seconds: float

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", self.answer)]

    @property
    def refused(self) -> bool:
        return not self.statuses or self.statuses[0] >= 400

    def harm(self) -> str | None:
        """What is wrong with it; None where it is harmless."""
        first = self.statuses[0] if self.statuses else CLOSED
        if first not in self.hostile.statuses:
            return f"answered {first}, not one of {sorted(self.hostile.statuses)}: {self.answer[-300:]!r}"
        if any(status >= 500 for status in self.statuses):
            return f"answered {self.statuses}"
        if len(self.statuses) > self.hostile.answers:
            return f"answered {len(self.statuses)} times"
        if len(self.answer) > MAX_ANSWER_BYTES:
            return f"an answer of {len(self.answer)} bytes"
        if self.seconds > self.hostile.seconds + MARGIN_SECONDS:
            return f"ended after {self.seconds:.0f} s"
        if b"root:x:" in self.answer or b"\r\nSet-Cookie: x=" in self.answer:
            return "gave away or took over what it must not"
        return None


def attack(service: Service, hostile: Hostile) -> Ending:
    """Send it, and read until the server ends the connection or far too long."""
    started, answer = time.monotonic(), bytearray()
    until = started + hostile.seconds + MARGIN_SECONDS + 1.0
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        try:
            for piece in hostile.pieces():
                connection.settimeout(MARGIN_SECONDS)
                connection.sendall(service.filled(piece))
                if time.monotonic() > until or not still_open(connection, hostile.pause, answer):
                    break
            while still_open(connection, max(0.1, until - time.monotonic()), answer):
                if time.monotonic() > until or len(answer) > 4 * MAX_ANSWER_BYTES:
                    break
        except OSError:  # reset: ended by the server
            pass
    return Ending(hostile, bytes(answer), time.monotonic() - started)


def still_open(connection: socket.socket, seconds: float, answer: bytearray) -> bool:
    """Read what comes within so many seconds; False where the server has ended the connection."""
    connection.settimeout(seconds or 0.0001)
    try:
        piece = connection.recv(65_536)
    except TimeoutError:
        return True
    answer += piece
    return bool(piece)


def attack_with_all(service: Service, corpus: list[Hostile]) -> list[Ending]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: attack(service, one), corpus))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hostile_requests_do_no_harm(service: Service) -> None:
    attack(service, QUERIED[0])
    before = service.memory_bytes()
    # Those that wait for a time limit of the server begin first.
    endings = attack_with_all(service, sorted(CORPUS, key=lambda one: -one.seconds))
    harmful = {ending.hostile.name: harm for ending in endings if (harm := ending.harm())}
    growth = service.memory_bytes() - before
    for _ in range(2):
        attack_with_all(service, BODIES)
    whole_growth = service.memory_bytes() - before
    refused = sum(ending.refused for ending in endings)
    longest = max(len(ending.answer) for ending in endings)
    print(
        f"{len(endings)} tried, {refused} refused, {len(endings) - refused - len(harmful)} answered without harm, "
        f"{len(harmful)} harmful; memory grew by {growth / 2**20:.0f} MiB, "
        f"with the bodies twice more by {whole_growth / 2**20:.0f} MiB in all; longest answer {longest} bytes"
    )
    assert harmful == {}
    assert service.lives()
    assert whole_growth < MAX_GROWTH_BYTES
    assert len({one.name for one in CORPUS}) == len(CORPUS) >= 70
