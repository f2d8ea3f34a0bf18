"""Every route and method of the app: closed without a key, to a key of too small a scope, and to another tenant.

The routes are read from the app, so a new one is held to the same without being listed here.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from store.values import Job

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# What needs no key, complete. A route that is to be open has to be added here by hand.
OPEN = {
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/livez"),
    ("HEAD", "/livez"),
    ("GET", "/readyz"),
    ("HEAD", "/readyz"),
    ("GET", "/v1/sign-in"),
    ("HEAD", "/v1/sign-in"),
    ("GET", "/v1/sign-in/oidc"),
    ("GET", "/v1/sign-in/oidc/callback"),
    ("POST", "/v1/session"),
    ("GET", "/web/app.js"),
    ("HEAD", "/web/app.js"),
}
ADMIN = ("/v1/keys", "/v1/audit", "/v1/garbage")
# Reading scopes may end their own session and open it elsewhere.
OWN_SESSION = "/v1/session"
IDS = {"name": "model.safetensors", "key_id": "key_1"}


def routes(app: FastAPI) -> Iterator[Route]:
    """The routes of the app and of what it includes."""
    pending = list(app.routes)
    while pending:
        route = pending.pop(0)
        if isinstance(route, Route | APIRoute):
            yield route
        elif not isinstance(route, Mount):
            pending += list(getattr(route, "routes", []) or route.original_router.routes)


def paths(app: FastAPI) -> list[str]:
    """The path templates of the app, with a file for what is mounted."""
    return sorted({route.path for route in routes(app)} | {"/web/app.js"})


def filled(path: str, job_id: str) -> str:
    named = {**IDS, "job_id": job_id}
    for part in path.split("{")[1:]:
        name = part.partition("}")[0]
        path = path.replace(f"{{{name}}}", named.get(name.partition(":")[0], "x"))
    return path


def ask(client: TestClient, method: str, path: str, **headers: str) -> Any:
    body = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
    return client.request(method, path, headers=headers, follow_redirects=False, **body)


def test_the_walk_finds_the_routes(app: FastAPI) -> None:
    found = paths(app)
    assert {"/v1/jobs", "/v1/jobs/{job_id}", "/v1/keys", "/openapi.json", "/metrics", "/web/app.js"} <= set(found)
    assert {route.path for route in routes(app) if isinstance(route, APIRoute)} >= set(app.openapi()["paths"]) - {
        "/v1/jobs/{job_id}/artifacts/{name}"
    }


def test_without_a_key_everything_is_closed_but_what_is_listed(
    app: FastAPI, stranger: TestClient, put: Callable[..., Job]
) -> None:
    job_id, walked = put().id, 0
    for template in paths(app):
        for method in METHODS:
            path = filled(template, job_id)
            for variant in (path, f"{path.rstrip('/')}/"):
                answer = ask(stranger, method, variant)
                if (method, variant) in OPEN:
                    assert answer.status_code not in (401, 403), (method, variant)
                    continue
                if variant.startswith("/web/") and method in ("GET", "HEAD"):
                    continue  # the dashboard's own files, wherever they are; none holds data
                assert answer.status_code == 401, (method, variant, answer.status_code)
                assert answer.headers["www-authenticate"] == 'Bearer realm="retort"'
                assert answer.headers["content-type"] == "application/problem+json"
            walked += 1
    assert walked >= 7 * 20
    assert ask(stranger, "GET", "/no/such/route").status_code == 401


@pytest.mark.parametrize("bad", ["Bearer rtk_", "Bearer nonsense", "Basic dXNlcjpwYXNz", "Bearer", "", "Bearer é"])
def test_a_key_that_is_none_is_401_on_every_route(
    app: FastAPI, stranger: TestClient, put: Callable[..., Job], bad: str
) -> None:
    job_id = put().id
    for template in paths(app):
        path = filled(template, job_id)
        if ("GET", path) not in OPEN:
            answer = stranger.get(path, headers={"Authorization": bad.encode("latin-1")})
            assert answer.status_code == 401, path
            assert 'error="' in answer.headers["www-authenticate"]


def test_a_key_that_reads_changes_nothing(
    app: FastAPI, stranger: TestClient, put: Callable[..., Job], new_key: Callable[..., dict[str, str]]
) -> None:
    job_id, reader, walked = put().id, new_key("read"), 0
    for template in paths(app):
        path = filled(template, job_id)
        for method in METHODS:
            is_admin = path.startswith(ADMIN)
            changes = method not in ("GET", "HEAD", "OPTIONS") and not path.startswith(OWN_SESSION)
            if (method, path) in OPEN or not (is_admin or changes):
                continue
            answer = ask(stranger, method, path, **reader)
            assert answer.status_code == 403, (method, path, answer.status_code)
            if method != "HEAD":
                assert answer.json()["code"] == "SCOPE_INSUFFICIENT"
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            walked += 1
    assert walked >= 50


def test_a_key_that_submits_does_not_administer(
    app: FastAPI, stranger: TestClient, new_key: Callable[..., dict[str, str]]
) -> None:
    submitter = new_key("submit")
    walked = [
        ask(stranger, method, filled(template, "job_x"), **submitter).status_code
        for template in paths(app)
        if template.startswith(ADMIN)
        for method in METHODS
    ]
    assert walked and set(walked) == {403}


def test_another_tenants_job_is_a_404_on_every_route_and_method(
    app: FastAPI, stranger: TestClient, put: Callable[..., Job], new_key: Callable[..., dict[str, str]]
) -> None:
    job = put(name="secret")
    other, owner = new_key("admin", tenant="retail"), new_key("admin")
    walked = 0
    for route in routes(app):
        if "{job_id}" not in route.path:
            continue
        for method in route.methods or ():
            foreign = ask(stranger, method, filled(route.path, job.id), **other)
            missing = ask(stranger, method, filled(route.path, "job_01K00000000000000000000000"), **other)
            assert foreign.status_code == missing.status_code == 404, (method, route.path, foreign.status_code)
            if method != "HEAD":
                assert foreign.json()["code"] == missing.json()["code"] == "JOB_NOT_FOUND"
                assert foreign.json()["detail"].replace(job.id, "") == missing.json()["detail"].replace(
                    "job_01K00000000000000000000000", ""
                )
            walked += 1
    assert walked >= 8
    assert stranger.get(f"/v1/jobs/{job.id}", headers=owner).json()["state"] == "queued"
