"""An API on a real database: in process (`api`), and served by uvicorn on loopback (`served`)."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from api.app import create_app
from api.serve import Server, configure
from core.spec import parse_job
from store import jobs, keys, leases
from store.callers import Limits, Scope
from store.database import Database
from store.settings import Settings
from store.values import Job, Lease

ADDRESS = "http://127.0.0.1:8000"
SMALLEST = {"teacher": "torchvision/resnet50", "dataset": "s3://shelf/photos.zip", "student": "small"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an embedded server."""
    return Settings(data_dir=tmp_path)


@pytest.fixture
def new_key(database: Database) -> Callable[..., dict[str, str]]:
    """Makes an API key; the header that sends it: `new_key("read", tenant="retail")`."""
    return lambda scope="admin", tenant="default", **limits: key_header(database, scope, tenant, **limits)


def key_header(database: Database, scope: Scope = "admin", tenant: str = "default", **limits: Any) -> dict[str, str]:
    """The header that sends a new API key."""
    with database.begin() as session:
        _, text = keys.create(session, tenant=tenant, name=f"{scope} key", scope=scope, limits=Limits(**limits))
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    """The API on a database, SQLite and PostgreSQL in turn."""
    return create_app(settings, database, quiet=True)


@pytest.fixture
def api(app: FastAPI, database: Database) -> Iterator[TestClient]:
    """The API in process, with a key of the tenant `default` that has the scope admin."""
    with TestClient(app, base_url=ADDRESS, headers=key_header(database)) as client:
        yield client


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    """The API in process, without a key."""
    with TestClient(app, base_url=ADDRESS) as client:
        yield client


@pytest.fixture
def smallest() -> dict[str, Any]:
    """The smallest job's body."""
    return dict(SMALLEST)


@pytest.fixture
def put(database: Database) -> Callable[..., Job]:
    """Puts a job into the database, past the API: `put(name="x")`."""

    def put(**fields: Any) -> Job:
        with database.begin() as session:
            return jobs.submit(session, parse_job({**SMALLEST, **fields})).job

    return put


@pytest.fixture
def work(database: Database) -> Callable[[Job], Lease]:
    """Claims a job as a worker would."""

    def work(job: Job) -> Lease:
        with database.begin() as session:
            lease = leases.claim(session, job.id, owner="worker-1", lease_seconds=600)
        assert lease is not None
        return lease

    return work


@pytest.fixture
def write(database: Database) -> Callable[..., Any]:
    """Calls a function of the store in a transaction of its own: `write(leases.record, lease, phase="training")`."""

    def write(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with database.begin() as session:
            return function(session, *arguments, **named)

    return write


@pytest.fixture
def served(settings: Settings, database: Database) -> Iterator[httpx.Client]:
    """The API behind a real uvicorn on loopback, with a key as `api` has it."""
    headers = key_header(database)
    with serve(settings, database) as address, httpx.Client(base_url=address, timeout=20, headers=headers) as client:
        yield client


@contextlib.contextmanager
def serve(settings: Settings, database: Database) -> Iterator[str]:
    """The address of a server in a thread, which is ended afterwards."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(configure(create_app(settings, database, quiet=True), "127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
def problem() -> Callable[..., dict[str, Any]]:
    """Asserts that an answer is a problem of this status and code, complete; gives its document."""

    def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        document = response.json()
        assert set(document) == {"type", "title", "status", "detail", "code", "errors", "instance"}
        assert (document["status"], document["code"]) == (status, code)
        assert document["instance"].endswith(response.headers["x-request-id"])
        return document

    return problem
