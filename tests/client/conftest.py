"""Servers that the client is tested against: a scripted one, and the real service."""

import socket
from collections.abc import Iterator

import pytest
from running import Up
from scripted import Scripted


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A scripted server."""
    scripted = Scripted()
    yield scripted
    scripted.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real service with a worker and a real engine."""
    up = Up(tmp_path_factory.mktemp("service") / "data")
    yield up.url
    up.stop()


@pytest.fixture
def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
