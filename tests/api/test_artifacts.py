"""Artifacts: the list and the bytes, whole, in ranges, and under strange names."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from api.ranges import Unsatisfiable, parse_range
from api.routes.artifacts import disposition
from store import blobs, leases
from store.database import Database
from store.values import Job, Lease

CONTENT = bytes(range(256)) * 5000  # 1.22 MiB: two chunks


@pytest.fixture
def publish(
    database: Database, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> Any:
    """Publishes content under a name of a new job; the job's id."""

    def publish(name: str = "model.onnx", content: Any = CONTENT) -> Any:
        job = put()
        blob = blobs.put(database, io.BytesIO(content))
        write(leases.add_artifact, work(job), name, "application/octet-stream", blob.sha256, blob.size_bytes)
        return job.id

    return publish


@pytest.fixture
def get(api: TestClient, publish: Any) -> Any:
    """GETs the published artifact with headers."""
    job_id = publish()

    def get(method: str = "GET", **headers: Any) -> Any:
        return api.request(
            method,
            f"/v1/jobs/{job_id}/artifacts/model.onnx",
            headers={k.replace("_", "-"): v for k, v in headers.items()},
        )

    return get


SHA256 = hashlib.sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)


def test_the_list(api: TestClient, publish: Any) -> None:
    job_id = publish()
    [artifact] = api.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
    assert (artifact["name"], artifact["size_bytes"], artifact["sha256"]) == ("model.onnx", SIZE, SHA256)
    assert api.get(artifact["href"]).content == CONTENT


def test_the_whole(get: Any) -> None:
    answer = get()
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["etag"] == f'"{SHA256}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-disposition"] == 'attachment; filename="model.onnx"'
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_head_says_the_same_without_the_bytes(get: Any) -> None:
    whole, head = get(), get("HEAD")
    assert head.content == b""
    different = {"x-request-id", "date"}
    assert {k: v for k, v in head.headers.items() if k not in different} == {
        k: v for k, v in whole.headers.items() if k not in different
    }


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=1048570-1048590", 1048570, 1048591),  # over the border of two chunks
        ("bytes=1048576-", 1048576, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        ("bytes=-99999999999", 0, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("bytes=5-99999999999", 5, SIZE),
        ("Bytes= 5 - 9", 5, 10),
    ],
)
def test_a_range(get: Any, header: str, start: Any, stop: Any) -> None:
    answer = get(Range=header)
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", "bytes=99999999-", "bytes=-0"])
def test_a_range_outside(get: Any, problem: Callable[..., dict[str, Any]], header: str) -> None:
    answer = get(Range=header)
    problem(answer, 416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "header", ["bytes=9-5", "bytes=-", "items=0-5", "bytes=0-1,5-6", "bytes=a-b", "nonsense", "bytes=0x1-2"]
)
def test_what_is_no_range_gives_the_whole(get: Any, header: str) -> None:
    assert get(Range=header).status_code == 200


def test_if_range(get: Any) -> None:
    assert get(Range="bytes=0-9", If_Range=f'"{SHA256}"').status_code == 206
    assert get(Range="bytes=0-9", If_Range='"another"').status_code == 200
    assert get(Range="bytes=0-9", If_Range=f'W/"{SHA256}"').status_code == 200  # weak tags do not count here
    assert get(Range="bytes=0-9", If_Range="Sat, 21 Nov 2026 12:00:00 GMT").status_code == 200


def test_if_none_match(get: Any) -> None:
    answer = get(If_None_Match=f'"x", W/"{SHA256}"')
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"{SHA256}"'
    assert get(If_None_Match="*").status_code == 304
    assert get(If_None_Match='"x"').status_code == 200


def test_an_empty_artifact(api: TestClient, publish: Any, problem: Callable[..., dict[str, Any]]) -> None:
    job_id = publish("empty", b"")
    answer = api.get(f"/v1/jobs/{job_id}/artifacts/empty")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")
    problem(api.get(f"/v1/jobs/{job_id}/artifacts/empty", headers={"Range": "bytes=0-"}), 416, "RANGE_NOT_SATISFIABLE")


@pytest.mark.parametrize(
    "name", ["report final.html", "plots/curve.png", "größe.json", 'a"b;c.txt', "100%.txt", "<script>.html", "a?b#c"]
)
def test_any_name_comes_back(api: TestClient, publish: Any, name: str) -> None:
    job_id = publish(name, b"x")
    [artifact] = api.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
    answer = api.get(artifact["href"])
    assert (answer.status_code, answer.content) == (200, b"x")
    assert answer.headers["content-disposition"].startswith("attachment; ")


def test_dispositions() -> None:
    assert disposition("a b.txt") == 'attachment; filename="a b.txt"'
    assert disposition("x/größe.json") == "attachment; filename=\"gr__e.json\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.json"
    assert "\r" not in disposition('a\r\nSet-Cookie: x="1"')


def test_an_unknown_artifact(api: TestClient, publish: Any, problem: Callable[..., dict[str, Any]]) -> None:
    problem(api.get(f"/v1/jobs/{publish()}/artifacts/model.pt"), 404, "ARTIFACT_NOT_FOUND")


def test_the_parser_against_every_small_case() -> None:
    """parse_range against slices of a real sequence, for all sizes and bounds up to 6."""
    for size in range(6):
        for first in range(7):
            for last in range(7):
                expected = list(range(size))[first : last + 1]
                try:
                    found = parse_range(f"bytes={first}-{last}", size)
                except Unsatisfiable:
                    assert expected == []
                    continue
                assert (found is None) if last < first else (list(range(*found)) == expected)


def test_a_download_goes_on_over_a_real_connection(served: httpx.Client, publish: Any) -> None:
    job_id = publish()
    path = f"/v1/jobs/{job_id}/artifacts/model.onnx"
    with served.stream("GET", path) as answer:
        part = next(answer.iter_bytes(300_000))
        etag = answer.headers["etag"]
    rest = served.get(path, headers={"Range": f"bytes={len(part)}-", "If-Range": etag})
    assert rest.status_code == 206
    assert hashlib.sha256(part + rest.content).hexdigest() == SHA256
