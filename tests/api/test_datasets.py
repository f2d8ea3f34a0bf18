"""Datasets by the tus protocol: begun, sent in parts, gone on with after a break, named by jobs."""

import base64
import hashlib
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from api import upload
from store.settings import Settings

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PART = {"Content-Type": "application/offset+octet-stream"}


def metadata(**pairs: str) -> dict[str, str]:
    encoded = [f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in pairs.items()]
    return {"Upload-Length": str(len(CONTENT)), "Upload-Metadata": ",".join(encoded)}


def begin(api: Any, **pairs: str) -> str:
    answer = api.post("/v1/datasets", headers=metadata(**pairs))
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


def send(api: Any, place: str, content: bytes, offset: int) -> Any:
    return api.patch(place, content=content, headers={**PART, "Upload-Offset": str(offset)})


def test_parts_make_a_dataset_that_jobs_can_name(api: TestClient, smallest: dict[str, Any]) -> None:
    place = begin(api, filename="C:\\Users\\me\\waste.zip", name="Waste, März")
    made = api.get(place).json()
    assert (made["state"], made["filename"], made["name"]) == ("uploading", "waste.zip", "Waste, März")
    body = {**smallest, "dataset": made["uri"]}
    assert api.post("/v1/jobs", json=body).json()["errors"][0]["pointer"] == "/dataset/uri"
    first = send(api, place, CONTENT[:1000], 0)
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "1000")
    head = api.head(place)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("1000", str(len(CONTENT)))
    assert send(api, place, CONTENT[1000:], 1000).headers["Upload-Offset"] == str(len(CONTENT))
    ready = api.get(place).json()
    assert (ready["state"], ready["sha256"]) == ("ready", SHA256)
    assert [one["id"] for one in api.get("/v1/datasets").json()["data"]] == [ready["id"]]
    assert api.post("/v1/jobs", json=body).status_code == 201
    assert api.delete(place).json()["code"] == "DATASET_IN_USE"


def test_what_is_there_already_is_not_sent_again(api: TestClient) -> None:
    place = begin(api, sha256=SHA256)
    send(api, place, CONTENT[:5000], 0)
    again = api.post("/v1/datasets", headers=metadata(sha256=SHA256))
    assert (again.status_code, again.headers["Location"], again.headers["Upload-Offset"]) == (200, place, "5000")
    send(api, place, CONTENT[5000:], 5000)
    assert api.post("/v1/datasets", headers=metadata(sha256=SHA256)).json()["state"] == "ready"


def test_a_deleted_dataset_is_gone_and_no_job_can_name_it(api: TestClient, smallest: dict[str, Any]) -> None:
    place = begin(api)
    uri = api.get(place).json()["uri"]
    assert api.delete(place).status_code == 204
    assert api.get(place).json()["code"] == "DATASET_NOT_FOUND"
    assert send(api, place, CONTENT, 0).status_code == 404
    refused = api.post("/v1/jobs", json={**smallest, "dataset": uri}).json()
    assert refused["errors"][0]["pointer"] == "/dataset/uri"


def test_pages_hold_the_newest_first(api: TestClient) -> None:
    places = [begin(api) for _ in range(3)]
    first = api.get("/v1/datasets?limit=2").json()
    second = api.get(f"/v1/datasets?limit=2&after={first['next_cursor']}").json()
    assert [one["id"] for one in first["data"] + second["data"]] == [place[-29:] for place in reversed(places)]
    assert (first["has_more"], second["has_more"]) == (True, False)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upload-Length": None}, 400, "UPLOAD_INVALID"),
        ({"Upload-Length": "0"}, 400, "UPLOAD_INVALID"),
        ({"Upload-Length": "-1"}, 400, "UPLOAD_INVALID"),
        ({"Upload-Length": "1e9"}, 400, "UPLOAD_INVALID"),
        ({"Upload-Length": "9" * 5000}, 400, "UPLOAD_INVALID"),
        ({"Upload-Length": str(1 << 50)}, 413, "DATASET_TOO_LARGE"),
        ({"Upload-Metadata": "filename not-base64!"}, 400, "UPLOAD_INVALID"),
        ({"Upload-Metadata": "filename " + base64.b64encode(b"../..").decode()}, 400, "UPLOAD_INVALID"),
        ({"Upload-Metadata": "filename " + base64.b64encode(b"\xff\xfe").decode()}, 400, "UPLOAD_INVALID"),
        ({"Upload-Metadata": "sha256 " + base64.b64encode(b"ABC").decode()}, 400, "UPLOAD_INVALID"),
    ],
)
def test_what_cannot_be_begun_is_refused(api: TestClient, headers: dict[str, Any], status: int, code: str) -> None:
    given = {name: value for name, value in (metadata(filename="a.zip") | headers).items() if value is not None}
    answer = api.post("/v1/datasets", headers=given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert api.get("/v1/datasets").json()["data"] == []


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "application/octet-stream"}, 415, "CONTENT_TYPE_UNSUPPORTED"),
        ({"Upload-Offset": None}, 400, "UPLOAD_INVALID"),
        ({"Upload-Offset": "x"}, 400, "UPLOAD_INVALID"),
        ({"Upload-Offset": "7"}, 409, "OFFSET_CONFLICT"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(api: TestClient, headers: dict[str, Any], status: int, code: str) -> None:
    place = begin(api)
    given = {name: value for name, value in ({**PART, "Upload-Offset": "0"} | headers).items() if value is not None}
    answer = api.patch(place, content=b"abc", headers=given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert api.head(place).headers["Upload-Offset"] == "0"


def test_bytes_beyond_the_end_are_not_stored(api: TestClient) -> None:
    place = begin(api)
    assert send(api, place, CONTENT + b"more", 0).headers["Upload-Offset"] == str(len(CONTENT))
    assert api.get(place).json()["sha256"] == SHA256


def test_other_bytes_than_announced_are_refused(api: TestClient) -> None:
    place = begin(api, sha256="0" * 64)
    answer = send(api, place, CONTENT, 0)
    assert (answer.status_code, answer.json()["code"]) == (422, "DATASET_DAMAGED")
    assert api.get(place).status_code == 404


def test_another_tenant_does_not_see_it(api: TestClient, new_key: Callable[..., dict[str, str]]) -> None:
    place, other = begin(api), new_key("submit", tenant="other")
    assert api.get(place, headers=other).status_code == 404
    assert api.patch(place, content=b"x", headers={**PART, "Upload-Offset": "0", **other}).status_code == 404
    assert api.delete(place, headers=other).status_code == 404
    assert api.get("/v1/datasets", headers=other).json()["data"] == []


def test_the_share_of_a_tenant_bounds_it(api: TestClient, new_key: Callable[..., dict[str, str]]) -> None:
    key = new_key("submit", max_stored_bytes=len(CONTENT))
    assert api.post("/v1/datasets", headers={**metadata(), **key}).status_code == 201
    assert api.post("/v1/datasets", headers={**metadata(), **key}).json()["code"] == "QUOTA_EXCEEDED"


def test_what_came_before_the_connection_broke_is_kept(served: httpx.Client) -> None:
    place = begin(served)
    address = (served.base_url.host, served.base_url.port or 80)
    head = (
        f"PATCH {place} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nUpload-Offset: 0\r\n"
        f"Authorization: {served.headers['Authorization']}\r\nContent-Type: {PART['Content-Type']}\r\n"
        f"Content-Length: {len(CONTENT)}\r\n\r\n"
    )
    with socket.create_connection(address) as connection:
        connection.sendall(head.encode() + CONTENT[:70_000])
        time.sleep(0.3)
    deadline = time.monotonic() + 10
    while (offset := int(served.head(place).headers["Upload-Offset"])) == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert 0 < offset <= 70_000
    assert send(served, place, CONTENT[offset:], offset).status_code == 204
    assert served.get(place).json()["sha256"] == SHA256


def test_a_sender_that_stalls_is_told_where_to_go_on(
    served: httpx.Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(upload, "STALL_SECONDS", 0.2)
    place = begin(served)

    def slow() -> Any:
        yield CONTENT[:100]
        time.sleep(1)
        yield CONTENT[100:]

    headers = {**PART, "Upload-Offset": "0"}
    try:
        answer = served.patch(place, content=slow(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (408, "UPLOAD_STALLED")
    except httpx.HTTPError:  # the connection was closed while it still sent
        pass
    assert served.head(place).headers["Upload-Offset"] == "100"
