"""A worker whose object store is away waits for it and keeps its job; a cancelled job does not wait."""

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from store import blobs, jobs, queries
from store.database import Database
from store.object_store import ObjectStore
from store.values import Job
from tests.worker.conftest import attempt
from tests.worker.test_faults_around import Proxy
from worker.attempt import WorkerContext

pytestmark = [pytest.mark.servers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
Look = Callable[[str], Job]


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def far(context: WorkerContext, object_store: ObjectStore, closed_port: int) -> WorkerContext:
    """The context of a worker whose object store is behind that port."""
    address = replace(object_store.address, endpoint=f"http://127.0.0.1:{closed_port}")
    return replace(context, database=replace(context.database, objects=ObjectStore(address)))


def test_a_job_waits_for_the_object_store_and_then_succeeds(
    database: Database,
    far: WorkerContext,
    object_store: ObjectStore,
    closed_port: int,
    submit: Any,
    look: Look,
    wait_for: Any,
) -> None:
    job_id = submit(steps=3)
    thread = threading.Thread(target=attempt, args=(far, job_id), daemon=True)
    thread.start()
    wait_for(lambda: (look(job_id).progress or {}).get("step", 0) >= 1)
    thread.join(far.settings.lease_seconds + 1)  # longer than a lease, which is renewed meanwhile
    assert thread.is_alive() and look(job_id).state == "running"
    host, port = (object_store.address.endpoint or "").removeprefix("http://").split(":")
    proxy = Proxy(host, int(port), listen=closed_port)
    thread.join(30)
    assert (look(job_id).state, len(look(job_id).attempts)) == ("succeeded", 1)
    with database.read() as session:
        artifacts = queries.artifacts(session, job_id)
    proxy.close()
    stored = replace(database, objects=object_store)
    assert artifacts
    assert all(len(b"".join(blobs.read_whole(stored, each.sha256))) == each.size_bytes for each in artifacts)


def test_a_cancelled_job_does_not_wait(
    database: Database, far: WorkerContext, submit: Any, look: Look, wait_for: Any
) -> None:
    job_id = submit(steps=3)
    thread = threading.Thread(target=attempt, args=(far, job_id), daemon=True)
    thread.start()
    wait_for(lambda: (look(job_id).progress or {}).get("step", 0) >= 1)
    with database.begin() as session:
        jobs.request_cancel(session, job_id)
    thread.join(30)
    assert not thread.is_alive() and look(job_id).state == "cancelled"
