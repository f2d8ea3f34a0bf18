"""Long polls: they answer when the job changes, hold no thread and no connection, and end with the server."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from store import jobs, leases
from store.values import Job, Lease


def timed(call: Any) -> tuple[Any, ...]:
    started = time.monotonic()
    response = call()
    return response, time.monotonic() - started


def test_a_wait_ends_when_the_job_changes(
    served: httpx.Client, put: Callable[..., Job], work: Callable[[Job], Lease]
) -> None:
    job = put()
    etag = served.get(f"/v1/jobs/{job.id}").headers["etag"]
    threading.Timer(0.6, work, [job]).start()
    headers = {"Prefer": "wait=10", "If-None-Match": etag}
    response, seconds = timed(lambda: served.get(f"/v1/jobs/{job.id}", headers=headers))
    assert response.status_code == 200
    assert response.json()["state"] == "running"
    assert response.headers["preference-applied"] == "wait=10"
    assert 0.5 < seconds < 3


def test_a_wait_without_an_etag_ends_with_the_job_as_it_is(served: httpx.Client, put: Callable[..., Job]) -> None:
    job = put()
    response, seconds = timed(lambda: served.get(f"/v1/jobs/{job.id}", headers={"Prefer": "respond-async, wait=1"}))
    assert (response.status_code, response.json()["id"]) == (200, job.id)
    assert 0.9 < seconds < 3


def test_a_wait_in_which_nothing_changes_ends_in_304(served: httpx.Client, put: Callable[..., Job]) -> None:
    job = put()
    etag = served.get(f"/v1/jobs/{job.id}").headers["etag"]
    headers = {"Prefer": "wait=1", "If-None-Match": etag}
    response, seconds = timed(lambda: served.get(f"/v1/jobs/{job.id}", headers=headers))
    assert (response.status_code, response.headers["etag"]) == (304, etag)
    assert 0.9 < seconds < 3


@pytest.mark.parametrize("ending", ["done", "outdated"])
def test_there_is_no_wait_where_the_answer_is_known(
    served: httpx.Client, put: Callable[..., Job], write: Callable[..., Any], ending: str
) -> None:
    job = put()
    etag = '"another"'
    if ending == "done":
        write(jobs.request_cancel, job.id)
        etag = served.get(f"/v1/jobs/{job.id}").headers["etag"]
    headers = {"Prefer": "wait=10", "If-None-Match": etag}
    response, seconds = timed(lambda: served.get(f"/v1/jobs/{job.id}", headers=headers))
    assert response.status_code == (304 if ending == "done" else 200)
    assert seconds < 2


def test_a_wait_ends_in_404_when_the_job_is_deleted(
    served: httpx.Client, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    lease = work(job)

    def end() -> None:
        write(leases.fail, lease, {"code": "INTERNAL", "category": "internal", "message": "x", "hint": ""})
        write(jobs.delete, job.id)

    threading.Timer(0.5, end).start()
    response, seconds = timed(lambda: served.get(f"/v1/jobs/{job.id}", headers={"Prefer": "wait=10"}))
    assert response.status_code == 404
    assert seconds < 3


def test_a_hundred_waits_hold_no_thread(
    served: httpx.Client, put: Callable[..., Job], work: Callable[[Job], Lease]
) -> None:
    """There are 20 threads; with 100 requests waiting, others are still answered, and all 100 hear of the change."""
    job = put()
    limits = httpx.Limits(max_connections=120)
    with (
        httpx.Client(base_url=served.base_url, headers=served.headers, timeout=30, limits=limits) as many,
        ThreadPoolExecutor(100) as pool,
    ):
        waits = [pool.submit(many.get, f"/v1/jobs/{job.id}", headers={"Prefer": "wait=20"}) for _ in range(100)]
        time.sleep(1.5)
        response, seconds = timed(lambda: served.get("/v1/jobs"))
        assert response.status_code == 200
        assert seconds < 1
        assert not any(wait.done() for wait in waits)
        work(job)
        states = {wait.result(timeout=15).json()["state"] for wait in waits}
    assert states == {"running"}
