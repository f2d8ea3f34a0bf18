"""What pytest does with the guardian of its servers: starts it, asks it, lets it go."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import pytest

# Tells the processes of pytest-xdist where the guardian listens.
FOLDER_VARIABLE = "RETORT_TEST_SERVERS"
SERVERS = {"RETORT_TEST_POSTGRES_URL": "postgres", "RETORT_TEST_REDIS_URL": "redis", "RETORT_TEST_S3_URL": "s3"}


def start_guardian() -> subprocess.Popen[bytes]:
    """A guardian for this session; it ends once its standard input is closed.

    It has a session of its own, so that Ctrl-C reaches pytest alone, which may still need the servers.
    """
    folder = Path(tempfile.mkdtemp(prefix="retort-servers-"))
    command = [sys.executable, str(Path(__file__).with_name("guardian.py")), str(folder)]
    guardian = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    os.environ[FOLDER_VARIABLE] = str(folder)
    return guardian


def stop_guardian(guardian: subprocess.Popen[bytes]) -> None:
    """Let the guardian end its servers, and wait until it has."""
    assert guardian.stdin is not None
    guardian.stdin.close()
    guardian.wait(60)


def server_url(variable: str) -> str:
    """The URL of a test server: the one that the user named in `variable`, else one of the guardian's.

    Where the server's program cannot be had, the test is skipped, or fails under RETORT_TEST_REQUIRE_SERVERS=1.
    """
    if url := os.environ.get(variable):
        return url
    answer = ask(Path(os.environ[FOLDER_VARIABLE]), SERVERS[variable])
    if "missing" in answer:
        missing(f"{variable} is not set, and {answer['missing']}")
    if "failed" in answer:
        pytest.fail(answer["failed"])
    return answer["url"]


def ask(folder: Path, name: str) -> dict[str, str]:
    """The guardian's answer about a server, which is started first if need be."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(200)
        _connect(connection, folder / "ask")
        with connection.makefile("rw") as channel:
            channel.write(f"{name}\n")
            channel.flush()
            answer: dict[str, str] = json.loads(channel.readline())
    return answer


def missing(reason: str) -> NoReturn:
    """Skip the test for want of something that is not installed, or fail it under RETORT_TEST_REQUIRE_SERVERS=1."""
    if os.environ.get("RETORT_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _connect(connection: socket.socket, address: Path) -> None:
    """A guardian listens a moment after its start."""
    until = time.monotonic() + 30
    while True:
        try:
            return connection.connect(str(address))
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
