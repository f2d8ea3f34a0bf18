"""Artifacts: the list and the bytes, whole, in ranges, and under strange names."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.ranges import Unsatisfiable, parse_range
from api.routes.artifacts import disposition
from core.spec import parse_job
from store import blobs, jobs, leases
from store.database import Database, open_database
from store.object_store import ObjectStore
from store.settings import Settings
from store.values import Job, Lease
from tests.api.conftest import ADDRESS, SMALLEST, key_header

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


@pytest.fixture
def in_objects(settings: Settings, sqlite_url: str, object_store: ObjectStore) -> Iterator[tuple[TestClient, Any]]:
    """An API whose artifacts are in an object store to which it sends clients; and a function that publishes one."""
    database = replace(open_database(sqlite_url), objects=object_store)
    with TestClient(create_app(settings, database, quiet=True), base_url=ADDRESS, headers=key_header(database)) as api:

        def publish(name: str, media_type: str) -> str:
            with database.begin() as session:
                job = jobs.submit(session, parse_job(SMALLEST)).job
                lease = leases.claim(session, job.id, owner="w", lease_seconds=60)
            blob = blobs.put(database, io.BytesIO(CONTENT))
            with database.begin() as session:
                leases.add_artifact(session, lease, name, media_type, blob.sha256, blob.size_bytes)
            return f"/v1/jobs/{job.id}/artifacts/{name}"

        yield api, publish
    database.close()


@pytest.mark.servers
def test_a_download_is_sent_to_the_object_store_once_the_caller_is_known(in_objects: tuple[TestClient, Any]) -> None:
    api, publish = in_objects
    path = publish("model.onnx", "application/octet-stream")
    assert api.get(path, headers={"Authorization": ""}, follow_redirects=False).status_code == 401
    answer = api.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["etag"]) == (307, f'"{SHA256}"')
    assert answer.headers["cache-control"] == "no-store"
    found = httpx.get(answer.headers["location"], headers={"Range": "bytes=7-"})
    assert (found.status_code, found.content) == (206, CONTENT[7:])
    assert found.headers["content-disposition"] == 'attachment; filename="model.onnx"'


@pytest.mark.servers
def test_pictures_and_heads_come_from_the_api_itself(in_objects: tuple[TestClient, Any]) -> None:
    api, publish = in_objects
    picture = api.get(publish("curves.png", "image/png"), follow_redirects=False)
    assert (picture.status_code, picture.content) == (200, CONTENT)
    head = api.head(publish("model.onnx", "application/octet-stream"), follow_redirects=False)
    assert (head.status_code, head.headers["content-length"]) == (200, str(SIZE))


@pytest.mark.servers
def test_readiness_tells_whether_the_object_store_answers(
    settings: Settings, sqlite_url: str, object_store: ObjectStore
) -> None:
    away = ObjectStore(replace(object_store.address, endpoint="http://127.0.0.1:9"))
    for objects, expected in ((None, "database"), (object_store, "reachable"), (away, "unreachable")):
        database = replace(open_database(sqlite_url), objects=objects)
        with TestClient(create_app(settings, database, quiet=True), base_url=ADDRESS) as api:
            answer = api.get("/readyz")
        assert (answer.status_code, answer.json()["blob_store"]) == (200, expected)
        database.close()
