"""`retort up`: it starts everything, ends everything, and says what is wrong."""

import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Up, alive, gone, retort

from retort import Retort
from retort.local.processes import LOG_BYTES, Child

pytestmark = pytest.mark.slow
WRITES = f"""
import os, time
os.write(1, b"x" * {LOG_BYTES + 1000})
while os.fstat(1).st_size > 1000:
    time.sleep(0.05)
os.write(1, b"after\\n")
time.sleep(60)
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running service of this file's own, ended by SIGTERM."""
    running = Up(tmp_path_factory.mktemp("up") / "data")
    yield running
    pids = list(running.descendants())
    assert running.stop(signal.SIGTERM) == 0
    assert gone(pids, 1)


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Up]:
    """A running service of one test."""
    running = Up(tmp_path / "data")
    yield running
    running.stop()


def ready(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)


def part_of(up: Up, name: str) -> int:
    return next(pid for pid, command in up.descendants().items() if f"-m {name}" in command)


def test_it_is_ready_when_it_says_so_and_leaves_nothing_behind(another: Up) -> None:
    assert ready(another.url)
    pids = list(another.descendants())
    assert len(pids) >= 2
    assert another.stop(signal.SIGINT) == 0
    assert gone(pids, 1)
    with pytest.raises(OSError):
        ready(another.url)


def test_its_death_by_force_ends_the_children(another: Up) -> None:
    pids = list(another.descendants())
    assert len(pids) >= 2
    another.process.kill()
    assert gone(pids, 30)


def test_a_second_one_on_the_same_folder_is_refused(up: Up) -> None:
    second = retort("up", "--port", "0", "--data", str(up.data))
    assert second.code == 4
    assert f"is in use: Retort runs on it at {up.url}" in second.err
    assert ready(up.url)


def test_a_dead_part_is_started_again_and_said(up: Up) -> None:
    api, worker = part_of(up, "api"), part_of(up, "worker")
    os.kill(worker, signal.SIGKILL)
    assert up.process.stderr is not None
    said = next(line for line in up.process.stderr if "died" in line)
    assert "the worker died (exit status -9); it is started again in 0.25 s" in said
    os.kill(api, signal.SIGKILL)
    # The socket stays open: a request made meanwhile waits for the new API rather than being refused.
    with urllib.request.urlopen(f"{up.url}/livez", timeout=30) as answer:
        assert answer.status == 200
    assert part_of(up, "worker") != worker
    assert alive(part_of(up, "api"))


def test_a_part_that_dies_at_its_start_is_tried_again_and_then_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_LOADER", "no.such.loader")  # the worker cannot start with it
    done = retort("up", "--port", "0", "--data", str(tmp_path / "data"))
    assert done.code == 1
    assert done.err.count("the worker died") == 5
    assert "the worker ended 6 times" in done.err and "No module named 'no'" in done.err


def test_the_job_of_a_killed_worker_goes_on_without_waiting_for_its_lease(another: Up) -> None:
    service = Retort(another.url, api_key=(another.data / "token").read_text().strip())
    job = service.submit(dataset="builtin:digits", student="nano", training={"epochs": 200, "checkpoint_seconds": 1})
    until = time.monotonic() + 120
    while job.view["state"] != "running" and time.monotonic() < until:
        job.refresh(wait_seconds=1)
    os.kill(part_of(another, "worker"), signal.SIGKILL)
    killed = time.monotonic()
    while len(job.view["attempts"]) < 2 and time.monotonic() < killed + 50:
        job.refresh(wait_seconds=1)
    assert len(job.view["attempts"]) == 2  # a lease is 60 s
    print(f"the next attempt began {time.monotonic() - killed:.1f} s after the worker was killed")
    job.cancel()


def test_a_log_that_grows_while_its_process_runs_is_put_aside(tmp_path: Path) -> None:
    child = Child("x", [sys.executable, "-c", WRITES], dict(os.environ), tmp_path / "x.log")
    child.start(0.0)
    try:
        until = time.monotonic() + 20
        while child.log.stat().st_size <= LOG_BYTES and time.monotonic() < until:
            time.sleep(0.05)
        child.trim_log()
        assert child.log.stat().st_size < LOG_BYTES and (tmp_path / "x.log.1").stat().st_size > LOG_BYTES
        while b"after" not in child.log.read_bytes() and time.monotonic() < until:
            time.sleep(0.05)
        assert child.log.read_bytes().endswith(b"after\n")
    finally:
        child.signal(signal.SIGKILL)
        child.wait(5)


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = retort("up", "--port", str(port), "--data", str(tmp_path / "data"))
    assert done.code == 4
    assert (
        done.err
        == f"retort: cannot listen on 127.0.0.1 port {port}: Address already in use (--port 0 picks a free one)\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_no_other_address_than_loopback(tmp_path: Path, host: str) -> None:
    done = retort("up", "--host", host, "--data", str(tmp_path / "data"))
    assert done.code == 2
    assert "listens on loopback only" in done.err
    assert not (tmp_path / "data").exists()


def test_a_database_that_cannot_be_migrated_is_said_and_nothing_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "retort.db").write_bytes(b"this is no database" * 1000)
    done = retort("up", "--port", "0", "--data", str(data))
    assert done.code == 1
    assert "could not be brought up to date" in done.err
    assert done.out == ""
