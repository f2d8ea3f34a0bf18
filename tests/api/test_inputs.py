"""What a job reads is checked at submit: files where API and worker share the machine, web servers everywhere."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api import inputs
from api.app import create_app
from api.inputs import check_files, check_urls, located
from core.errors import SpecInvalid
from core.spec import JobSpec, parse_job
from store import jobs
from store.database import open_database
from store.settings import Settings

from .conftest import ADDRESS, SMALLEST, key_header

Post = Callable[..., Any]


class Site(BaseHTTPRequestHandler):
    """Answers by the path: /404, /slow, /huge, /redirect, else 200."""

    requests: list[tuple[str, str]]
    released: threading.Event

    def do_HEAD(self) -> None:
        self.requests.append((self.command, self.path))
        if self.path == "/slow":
            self.released.wait(20)
        status = int(self.path[1:]) if self.path[1:].isdigit() else 302 if self.path == "/redirect" else 200
        self.send_response(status, "secret words of the server")
        if self.path == "/huge":
            self.send_header("Content-Length", str(10**15))
        if self.path == "/redirect":
            self.send_header("Location", "/404")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a web server on loopback."""
    Site.requests, Site.released = [], threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Site.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def embedded(tmp_path: Path, sqlite_url: str) -> Settings:
    """Settings of `retort up`, whose file: URIs may read below `open` alone."""
    (tmp_path / "open").mkdir()
    return Settings(data_dir=tmp_path, database_url=sqlite_url, file_roots=(str(tmp_path / "open"),))


def spec(**fields: Any) -> JobSpec:
    return parse_job({**SMALLEST, **fields})


def test_every_uri_of_a_spec_is_located() -> None:
    """Each field of a spec that takes a URI; a new one must be added to `located`."""
    job = parse_job({
        "teacher": {"architecture": "cifar/resnet56", "weights": "file:///a", "trajectory": ["file:///b", "file:///c"]},
        "more_teachers": ["file:///d", {"weights": "file:///e", "trajectory": ["file:///f"]}],
        "dataset": {"uri": "file:///g", "target_uri": "file:///h"},
        "student": {"size": "nano", "weights": "file:///i"}, "method": "simkd",
    })  # fmt: skip
    found = [(pointer, uri) for pointer, uri in located(job) if uri.startswith("file:")]
    assert sorted(uri for _, uri in found) == [f"file:///{letter}" for letter in "abcdefghi"]
    document = job.model_dump(mode="json")
    for pointer, uri in found:
        value: Any = document
        for key in pointer[1:].split("/"):
            value = value[int(key)] if isinstance(value, list) else value[key]
        assert value == uri


def test_a_missing_file_is_refused_at_once_with_its_place(
    embedded: Settings, sqlite_url: str, problem: Any, tmp_path: Path
) -> None:
    (tmp_path / "open" / "photos.zip").write_bytes(b"zip")
    database = open_database(sqlite_url)
    missing = f"file://{tmp_path}/open/photo.zip"
    app = create_app(embedded, database, quiet=True)
    with TestClient(app, base_url=ADDRESS, headers=key_header(database)) as api:
        for path in ("/v1/jobs", "/v1/jobs/plan"):
            document = problem(api.post(path, json={**SMALLEST, "dataset": missing}), 422, "SPEC_INVALID")
            (place,) = document["errors"]
            assert place["pointer"] == "/dataset/uri"
            assert missing in place["detail"] and "no such file" in place["detail"]
            assert "'photos.zip'" in place["detail"]
        taken = api.post("/v1/jobs", json={**SMALLEST, "dataset": f"file://{tmp_path}/open/photos.zip"})
        assert (taken.status_code, taken.json()["warnings"]) == (201, [])
        with database.read() as session:
            assert len(jobs.list_jobs(session).jobs) == 1
    database.close()


def test_all_wrong_files_are_told(embedded: Settings) -> None:
    weights = {"architecture": "cifar/resnet56", "weights": "file:///etc/hostname"}
    with pytest.raises(SpecInvalid) as caught:
        check_files(spec(dataset="file:///nowhere", teacher=weights), embedded)
    assert [pointer for pointer, _ in caught.value.errors] == ["/dataset/uri", "/teacher/weights"]
    assert all("outside the folders" in detail for _, detail in caught.value.errors)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_empty_is_refused(embedded: Settings, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "open" / "empty"
    target.mkdir() if kind == "folder" else target.touch()
    with pytest.raises(SpecInvalid, match=rf"is an empty {kind}"):
        check_files(spec(dataset=target.as_uri()), embedded)


def test_files_of_other_machines_are_none_of_the_apis_business(embedded: Settings) -> None:
    elsewhere = embedded.model_copy(update={"database_url": "postgresql://db.example/retort"})
    assert not elsewhere.is_embedded
    check_files(spec(dataset="file:///only/on/the/worker"), elsewhere)


def test_a_repeated_post_is_answered_though_the_file_is_gone(
    embedded: Settings, sqlite_url: str, tmp_path: Path, problem: Any
) -> None:
    database = open_database(sqlite_url)
    (tmp_path / "open" / "x.zip").write_bytes(b"zip")
    body = {**SMALLEST, "dataset": f"file://{tmp_path}/open/x.zip"}
    app = create_app(embedded, database, quiet=True)
    with TestClient(app, base_url=ADDRESS, headers=key_header(database)) as api:
        first = api.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
        (tmp_path / "open" / "x.zip").unlink()
        again = api.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
        assert (first.status_code, again.status_code, again.json()["id"]) == (201, 200, first.json()["id"])
        problem(api.post("/v1/jobs", json=body, headers={"Idempotency-Key": "l"}), 422, "SPEC_INVALID")
    database.close()


def test_an_unknown_built_in_dataset_is_refused_with_what_it_resembles(api: TestClient, problem: Any) -> None:
    document = problem(api.post("/v1/jobs", json={**SMALLEST, "dataset": "builtin:digit"}), 422, "SPEC_INVALID")
    (place,) = document["errors"]
    assert place["pointer"] == "/dataset/uri" and "'builtin:digits'" in place["detail"]


def test_a_url_that_answers_gives_no_warning(site: str, embedded: Settings) -> None:
    assert check_urls(spec(dataset=f"{site}/photos.zip"), embedded) == []
    assert check_urls(spec(dataset=f"{site}/405"), embedded) == []  # HEAD is not offered, the file may be there
    assert Site.requests == [("HEAD", "/photos.zip"), ("HEAD", "/405")]


@pytest.mark.parametrize("path", ["404", "403", "500", "redirect", "huge"])
def test_a_url_that_does_not_answer_well_is_a_warning_and_no_refusal(
    api: TestClient, site: str, embedded: Settings, path: str
) -> None:
    assert api.post("/v1/jobs", json={**SMALLEST, "dataset": f"{site}/{path}"}).status_code == 201
    found = check_urls(spec(dataset=f"{site}/{path}"), embedded)
    assert [warning.code for warning in found] == ["INPUT_UNREACHABLE"]
    assert found[0].message.startswith(f"/dataset/uri: {site}/{path}: ")
    assert "secret words" not in found[0].message


def test_the_warning_is_the_jobs(api: TestClient, site: str) -> None:
    job = api.post("/v1/jobs", json={**SMALLEST, "dataset": f"{site}/404"}).json()
    (warning,) = job["warnings"]
    assert "404 Not Found" in warning["message"]
    assert api.get(f"/v1/jobs/{job['id']}").json()["warnings"] == [warning]


def test_nobody_at_the_address_is_a_warning(embedded: Settings) -> None:
    (warning,) = check_urls(spec(dataset="http://127.0.0.1:1/x.zip"), embedded)
    assert "cannot connect" in warning.message


def test_a_silent_server_is_not_waited_for(site: str, embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "URL_SECONDS", 0.3)
    began = time.monotonic()
    found = check_urls(spec(dataset=f"{site}/slow", student={"size": "nano", "weights": f"{site}/slow"}), embedded)
    assert [warning.message.partition(":")[0] for warning in found] == ["/dataset/uri", "/student/weights"]
    assert time.monotonic() - began < 10  # the server keeps silent for 20 seconds


def test_no_private_address_is_dialled_where_the_operator_forbids_it(site: str, embedded: Settings) -> None:
    public = embedded.model_copy(update={"private_addresses": False, "download_ports": tuple(range(1, 65536))})
    (warning,) = check_urls(spec(dataset=f"{site}/x.zip"), public)
    assert "private address" in warning.message
    assert Site.requests == []


def test_silent_servers_hold_no_more_threads_than_allowed(
    site: str, embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_FREE", threading.BoundedSemaphore(1))
    monkeypatch.setattr(inputs, "URL_SECONDS", 0.3)
    # The second URL finds no thread free and is not checked.
    both = spec(dataset=f"{site}/slow", student={"size": "nano", "weights": f"{site}/404"})
    assert [warning.message.partition(":")[0] for warning in check_urls(both, embedded)] == ["/dataset/uri"]
    assert [path for _, path in Site.requests] == ["/slow"]
