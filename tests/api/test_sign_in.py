"""Sessions: by key, by a link, at an OpenID provider that runs as a process of its own; and what ends them."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from api import authentication
from api.app import create_app
from store.clock import from_now
from store.database import Database
from store.settings import Settings
from store.tables import sessions as sessions_table

from .conftest import ADDRESS

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PROVIDER = Path(__file__).parents[1] / "servers" / "openid_provider.py"
ADA = {"email": "Ada@Example.org", "email_verified": True}
SAME_SITE = {"Origin": ADDRESS}
Key = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends is noticed at once, not after the second for which callers are remembered."""
    monkeypatch.setattr(authentication, "CACHE_SECONDS", -1.0)


def text_of(header: dict[str, str]) -> str:
    return header["Authorization"].removeprefix("Bearer ")


def test_a_key_opens_a_session_in_a_cookie_that_no_script_reads(stranger: TestClient, new_key: Key) -> None:
    answer = stranger.post("/v1/session", json={"key": text_of(new_key("read"))})
    assert (answer.status_code, answer.json()["scope"]) == (201, "read")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie and "Secure" not in cookie
    assert stranger.get("/v1/jobs").status_code == 200
    assert stranger.post("/v1/jobs", json={}, headers=SAME_SITE).status_code == 403


def test_over_https_the_cookie_is_secure(settings: Settings, database: Database, new_key: Key) -> None:
    public = settings.model_copy(update={"public_url": "https://retort.example.org"})
    with TestClient(create_app(public, database, quiet=True), base_url=ADDRESS) as client:
        assert "Secure" in client.post("/v1/session", json={"key": text_of(new_key())}).headers["set-cookie"]


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}])
def test_another_sites_page_changes_nothing_by_the_cookie(
    stranger: TestClient, new_key: Key, smallest: dict[str, Any], headers: dict[str, str]
) -> None:
    stranger.post("/v1/session", json={"key": text_of(new_key())})
    refused = stranger.post("/v1/jobs", json=smallest, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "ORIGIN_FORBIDDEN")
    assert stranger.post("/v1/jobs", json=smallest, headers=SAME_SITE).status_code == 201


def test_signing_out_ends_the_session_not_only_the_cookie(stranger: TestClient, new_key: Key) -> None:
    stranger.post("/v1/session", json={"key": text_of(new_key("read"))})
    secret = stranger.cookies["retort_session"]
    assert stranger.delete("/v1/session", headers=SAME_SITE).status_code == 204
    assert "retort_session" not in stranger.cookies
    assert stranger.get("/v1/jobs", headers={"Cookie": f"retort_session={secret}"}).status_code == 401


def test_a_session_ends_with_its_time_and_with_its_key(
    stranger: TestClient, api: TestClient, database: Database
) -> None:
    made = api.post("/v1/keys", json={"name": "ada"}).json()
    stranger.post("/v1/session", json={"key": made["key"]})
    assert stranger.get("/v1/jobs").status_code == 200
    api.delete(f"/v1/keys/{made['id']}")
    assert stranger.get("/v1/jobs").status_code == 401
    stranger.post("/v1/session", json={"key": api.post("/v1/keys", json={"name": "eve"}).json()["key"]})
    with database.begin() as session:
        session.execute(update(sessions_table).values(expires_at=from_now(-1.0)))
    assert stranger.get("/v1/jobs").status_code == 401


def test_a_link_works_once(stranger: TestClient, api: TestClient) -> None:
    code = api.post("/v1/session/links").json()["path"].removeprefix("/#/sign-in/")
    assert stranger.post("/v1/session", json={"code": code}).status_code == 201
    again = stranger.post("/v1/session", json={"code": code})
    assert (again.status_code, again.json()["code"]) == (401, "SIGN_IN_FAILED")


@pytest.mark.parametrize("body", [{}, {"key": "a", "code": "b"}, {"name": "x"}, [], {"key": 1}])
def test_a_sign_in_that_says_nothing_useful_is_422(stranger: TestClient, body: Any) -> None:
    assert stranger.post("/v1/session", json=body).status_code == 422


@contextlib.contextmanager
def provider(**claims: Any) -> Iterator[str]:
    """The address of a running provider where everybody is the person with these claims."""
    command = [sys.executable, str(PROVIDER), "retort", "s3cret", json.dumps({**ADA, **claims})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextlib.contextmanager
def signing_in(settings: Settings, database: Database, issuer: str, **more: Any) -> Iterator[TestClient]:
    oidc = {"oidc_issuer": issuer, "oidc_client_id": "retort", "oidc_client_secret": "s3cret", **more}
    own = Settings(data_dir=settings.data_dir, **oidc)
    with TestClient(create_app(own, database, quiet=True), base_url=ADDRESS, follow_redirects=False) as client:
        yield client


def come_back(client: TestClient) -> Any:
    """Leave for the provider as a browser does, and come back with what it gives."""
    import httpx

    left = client.get("/v1/sign-in/oidc")
    assert left.status_code == 303
    sent_back = httpx.get(left.headers["location"])
    assert sent_back.status_code == 302
    return client.get(sent_back.headers["location"].removeprefix(ADDRESS))


def test_a_person_of_the_provider_signs_in(settings: Settings, database: Database) -> None:
    users = {"oidc_users": "@example.org", "oidc_admins": "ada@example.org", "oidc_tenant_claim": "team"}
    with provider(team="retail") as issuer, signing_in(settings, database, issuer, **users) as client:
        assert client.get("/v1/sign-in").json()["ways"] == ["key", "oidc"]
        assert come_back(client).headers["location"] == "/#/jobs"
        who = client.get("/v1/session").json()
        assert (who["name"], who["tenant"], who["scope"]) == ("ada@example.org", "retail", "admin")
        assert [entry["actor"] for entry in client.get("/v1/audit").json()["data"]] == ["ada@example.org"]


@pytest.mark.parametrize(
    ("claims", "users"),
    [
        ({}, ""),  # the default: nobody
        ({}, "@other.org, grace@example.org"),
        ({"email_verified": False}, "@example.org"),
        ({"email": "ada@example.org.evil.example"}, "@example.org"),
        ({"aud": "another"}, "*"),
        ({"iss": "http://127.0.0.1:1"}, "*"),
        ({"exp": 1}, "*"),
        ({"nonce": "replayed"}, "*"),
    ],
)
def test_who_is_not_admitted_and_what_is_not_valid_is_refused(
    settings: Settings, database: Database, claims: dict[str, Any], users: str
) -> None:
    with provider(**claims) as issuer, signing_in(settings, database, issuer, oidc_users=users) as client:
        assert come_back(client).headers["location"] == "/#/refused"
        assert client.get("/v1/session").status_code == 401


def test_a_browser_that_did_not_leave_is_not_signed_in(settings: Settings, database: Database) -> None:
    import httpx

    with provider() as issuer, signing_in(settings, database, issuer, oidc_users="*") as client:
        left = client.get("/v1/sign-in/oidc")
        back = httpx.get(left.headers["location"]).headers["location"].removeprefix(ADDRESS)
        client.cookies.clear()
        assert client.get(back).headers["location"] == "/#/refused"


def test_without_a_provider_there_is_no_such_way(stranger: TestClient, settings: Settings, database: Database) -> None:
    assert stranger.get("/v1/sign-in").json() == {"authentication": "keys", "ways": ["key"]}
    assert stranger.get("/v1/sign-in/oidc").json()["code"] == "OIDC_UNAVAILABLE"
    with signing_in(settings, database, "http://127.0.0.1:1", oidc_users="*") as client:
        answer = client.get("/v1/sign-in/oidc")
        assert (answer.status_code, answer.json()["code"]) == (503, "OIDC_UNREACHABLE")
