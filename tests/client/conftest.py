"""Servers that the client is tested against."""

import socket
from collections.abc import Iterator

import pytest
from scripted import Scripted


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A scripted server."""
    scripted = Scripted()
    yield scripted
    scripted.close()


@pytest.fixture
def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
