"""HEAD is answered wherever GET is, with the same status and headers and no body."""

import io
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from api.examples import JOB_ID
from store import blobs, leases
from store.database import Database

# What may differ between two answers a moment apart.
OF_THE_MOMENT = {"x-request-id", "date"}


def paths(api: TestClient, job_id: str) -> list[str]:
    """Every path that GET is offered at, of a job with an artifact where the path has an id."""
    routes = [route for route in api.app.routes if isinstance(route, APIRoute) and "GET" in route.methods]  # type: ignore[attr-defined]
    found = [route.path.replace("{job_id}", job_id).replace("{name:path}", "a.txt") for route in routes]
    return [*found, "/web/base.css", "/v1/jobs?limit=1"]


@pytest.fixture
def job_id(put: Any, work: Any, write: Any, database: Database) -> str:
    """A finished job with an artifact."""
    lease = work(put())
    blob = blobs.put(database, io.BytesIO(b"content"))
    write(leases.add_artifact, lease, "a.txt", "text/plain", blob.sha256, blob.size_bytes)
    write(leases.succeed, lease, {})
    return lease.job_id


def headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in OF_THE_MOMENT}


def test_every_path_of_get(api: TestClient, job_id: str) -> None:
    for path in paths(api, job_id):
        if path == "/metrics":  # its length grows with every request
            assert api.head(path).status_code == 200
            continue
        got, head = api.get(path), api.head(path)
        assert (head.status_code, headers(head), head.content) == (got.status_code, headers(got), b""), path


def test_an_answer_that_is_an_error(api: TestClient) -> None:
    head = api.head(f"/v1/jobs/{JOB_ID}")
    assert (head.status_code, head.content) == (404, b"")
    assert head.headers["content-type"] == "application/problem+json"


def test_a_conditional_request(api: TestClient, job_id: str) -> None:
    etag = api.head(f"/v1/jobs/{job_id}").headers["ETag"]
    assert api.head(f"/v1/jobs/{job_id}", headers={"If-None-Match": etag}).status_code == 304


def test_a_stream_ends_with_its_headers(served: httpx.Client, put: Any) -> None:
    job = put()  # it waits for ever: its stream would not end
    head = served.head(f"/v1/jobs/{job.id}/events", headers={"Accept": "text/event-stream"})
    assert head.headers["content-type"].startswith("text/event-stream")
    assert served.get("/livez").status_code == 200


def test_a_range(api: TestClient, job_id: str) -> None:
    head = api.head(f"/v1/jobs/{job_id}/artifacts/a.txt", headers={"Range": "bytes=2-3"})
    assert (head.status_code, head.headers["Content-Range"], head.headers["Content-Length"]) == (
        206,
        "bytes 2-3/7",
        "2",
    )


def test_where_get_is_not_offered(api: TestClient, problem: Any) -> None:
    assert api.head("/v1/jobs/plan/x").status_code == 404
    refused = api.head(f"/v1/jobs/{JOB_ID}/cancel")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
    assert api.put("/v1/jobs").headers["Allow"] == "GET, HEAD, POST"
