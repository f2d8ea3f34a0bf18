"""Connections that are held on purpose: a client that reads nothing, and more silent ones than the server takes."""

import contextlib
import io
import resource
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from api import serve as serving
from store import blobs, leases
from store.database import Database
from store.settings import Settings
from store.values import Job, Lease
from tests.api.conftest import key_header, serve

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LARGE = 24 * 2**20  # more than the buffers of both ends


def connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the server ends the connection within so many seconds; what comes before is read and dropped."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.settimeout(max(0.01, until - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            try:
                if connection.recv(2**20) == b"":
                    return True
            except ConnectionError:
                return True
    return False


def test_a_client_that_reads_nothing_is_cut(
    settings: Settings, database: Database, put: Callable[..., Job], work: Callable[[Job], Lease],
    write: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("api.http_protocol.STALL_SECONDS", 0.5)
    job, blob = put(), blobs.put(database, io.BytesIO(bytes(LARGE)))
    write(leases.add_artifact, work(job), "model.bin", "application/octet-stream", blob.sha256, blob.size_bytes)
    key = key_header(database)["Authorization"]
    head = f"GET /v1/jobs/{job.id}/artifacts/model.bin HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {key}\r\n\r\n"
    with serve(settings, database) as address, connect(address) as connection:
        connection.sendall(head.encode())
        time.sleep(3.0)
        received = 0
        connection.settimeout(5.0)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(2**20):
                received += len(piece)
        assert 0 < received < LARGE
        assert (
            len(httpx.get(f"{address}/v1/jobs/{job.id}/artifacts/model.bin", headers={"Authorization": key}).content)
            == LARGE
        )


def test_silent_connections_make_room_for_one_that_asks(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_most_connections", lambda: 6)
    with serve(settings, database) as address, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(address)) for _ in range(12)]
        for _ in range(3):
            assert httpx.get(f"{address}/livez").status_code == 200
        assert is_closed(silent[0], 2.0)
        assert not is_closed(silent[-1], 0.5)


def test_connections_leave_file_descriptors_for_the_database(database: Database) -> None:
    most = serving._most_connections()
    assert 1 <= most <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - serving.OTHER_DESCRIPTORS
