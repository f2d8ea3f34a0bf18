"""Every error is a problem: the framework's, the database's, and our own defects."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from starlette.testclient import TestClient
from ulid import ULID

from api.app import create_app
from store import credentials, jobs
from store import database as database_module
from store.database import Database, open_database
from store.settings import Settings
from store.values import Job

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NONSENSE = "job_\u2603'\";--"


def operations(api: Any) -> list[Any]:
    document = api.get("/openapi.json").json()
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


def is_problem(answer: Any) -> Any:
    return answer.headers["content-type"] == "application/problem+json" and "code" in answer.json()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_route_answers_nonsense_with_a_problem(api: TestClient) -> None:
    paths = {path for _, path in operations(api)} | {"/", "/web/app.js", "/nope", "/v1", "/v1/jobs/"}
    assert len(paths) > 20
    for path in paths:
        for method in METHODS:
            url = path.replace("{job_id}", NONSENSE).replace("{name}", NONSENSE)
            answer = api.request(method, url, content=b"\xff{", headers={"Content-Type": "application/json"})
            assert answer.status_code < 500 or path.startswith("/v1/teachers") or path.startswith("/v1/students"), url
            if answer.status_code >= 400 and method != "HEAD":
                assert is_problem(answer), (method, url, answer.text)
            if answer.status_code == 405:
                assert method not in answer.headers["allow"].split(", ")
                assert answer.headers["allow"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_405_names_all_methods_of_the_path(api: TestClient, problem: Callable[..., dict[str, Any]]) -> None:
    answer = api.put("/v1/jobs")
    problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_defect_of_ours_is_opaque_and_logged(
    api: TestClient,
    problem: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    put: Callable[..., Job],
) -> None:
    def broken(session: Any, job_id: Any) -> None:
        raise RuntimeError("the secret is 4711")

    job = put()
    monkeypatch.setattr(jobs, "get", broken)
    answer = api.get(f"/v1/jobs/{job.id}", headers={"X-Request-Id": "abc-1"})
    document = problem(answer, 500, "INTERNAL")
    assert "4711" not in answer.text
    assert document["instance"] == "urn:retort:request:abc-1"
    assert "abc-1" in caplog.text
    assert "4711" in caplog.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb"])
def test_a_strange_request_id_is_replaced(api: TestClient, given: Any) -> None:
    assert api.get("/livez", headers={"X-Request-Id": given}).headers["x-request-id"] not in ("", given)


def test_a_database_that_is_down_is_503(
    settings: Settings, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # nobody listens there once it is closed
    database = open_database(f"postgresql://nobody@127.0.0.1:{port}/none")
    app = create_app(settings, database, quiet=True)
    valid = {"Authorization": f"Bearer {credentials.new_key(f'key_{ULID()}')}"}
    with TestClient(app, base_url="http://127.0.0.1", headers=valid) as api:
        for method, path in (
            ("GET", "/v1/jobs"),
            ("GET", "/v1/jobs/x"),
            ("POST", "/v1/jobs"),
            ("GET", "/readyz"),
            ("GET", "/metrics"),
        ):
            answer = api.request(method, path, json=smallest if method == "POST" else None)
            problem(answer, 503, "DATABASE_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) > 0
        assert api.get("/livez").status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_while_another_writes_reads_are_answered_and_writes_are_told_to_come_back(
    api: TestClient,
    database: Database,
    problem: Callable[..., dict[str, Any]],
    smallest: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_module, "TURN_SECONDS", 0.2)
    with database.begin():
        assert api.get("/readyz").status_code == 200
        answer = api.post("/v1/jobs", json=smallest)
    problem(answer, 503, "DATABASE_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    assert api.post("/v1/jobs", json=smallest).status_code == 201


def test_a_database_without_tables_is_not_ready(
    settings: Settings, problem: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    database = open_database(f"sqlite:///{tmp_path}/empty.db")
    app = create_app(settings, database, quiet=True)
    valid = {"Authorization": f"Bearer {credentials.new_key(f'key_{ULID()}')}"}
    with TestClient(app, base_url="http://127.0.0.1", headers=valid) as api:
        assert "python -m migrations" in problem(api.get("/readyz"), 503, "SCHEMA_BEHIND")["detail"]
        problem(api.get("/v1/jobs"), 503, "DATABASE_UNAVAILABLE")
        with database.begin() as session:
            session.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
            session.execute(text("INSERT INTO alembic_version VALUES ('0000')"))
        assert "0000" in problem(api.get("/readyz"), 503, "SCHEMA_BEHIND")["detail"]


_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_shapes = st.sampled_from(
    ["small", "nano", "torchvision/x", "builtin:digits", "kd", "job:x", {"size": "small"}, {"uri": "s3://a/b"}]
)
_keys = st.sampled_from(
    ["teacher", "dataset", "student", "method", "training", "evaluation", "name", "labels", "exports", "priority"]
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    body=st.dictionaries(_keys, _shapes | _json, max_size=6), headers=st.sampled_from([{}, {"Idempotency-Key": "k"}])
)
def test_no_body_makes_a_5xx(api: TestClient, body: Any, headers: Any) -> None:
    complete = {"dataset": "builtin:digits", "student": "small", **body}
    for sent in (body, complete):
        content = json.dumps(sent).encode("utf-8", "surrogatepass")
        answer = api.post("/v1/jobs", content=content, headers={"Content-Type": "application/json", **headers})
        assert answer.status_code in (200, 201, 400, 422), (sent, answer.text)
        if answer.status_code >= 400:
            assert is_problem(answer)
            assert answer.json()["detail"]


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    path=st.sampled_from(
        [
            "/v1/jobs",
            "/v1/jobs/{}",
            "/v1/jobs/{}/events",
            "/v1/jobs/{}/metrics",
            "/v1/jobs/{}/logs",
            "/v1/jobs/{}/artifacts/a",
        ]
    ),
    names=st.lists(
        st.sampled_from(["state", "label", "limit", "after", "name", "since_step", "max_points", "attempt"]), max_size=3
    ),
    values=st.lists(st.text(max_size=12) | st.integers().map(str), min_size=3, max_size=3),
)
def test_no_query_makes_a_5xx(api: TestClient, put: Callable[..., Job], path: Any, names: Any, values: Any) -> None:
    put.job_id = getattr(put, "job_id", None) or put().id
    params = [(name, value.encode("utf-8", "replace")) for name, value in zip(names, values, strict=False)]
    answer = api.get(path.format(put.job_id), params=params)
    assert answer.status_code in (200, 400, 404, 422), answer.text
    assert answer.status_code == 200 or is_problem(answer)
