"""Keys through the API, the audit log, limits of requests and jobs, and the key of this machine's user."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api import authentication, denials
from api.app import create_app
from api.serve import open_service
from migrations.upgrade import upgrade
from store import keys
from store.database import Database, open_database
from store.settings import Settings

from .conftest import ADDRESS

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ROOT = Path(__file__).parents[2]
Key = Callable[..., dict[str, str]]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_key_is_made_listed_rotated_and_revoked(
    api: TestClient, stranger: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "CACHE_SECONDS", -1.0)
    body = {"name": "ci", "tenant": "retail", "expires_in_days": 1, "limits": {"requests_per_minute": 100}}
    answer = api.post("/v1/keys", json=body)
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert (made["scope"], made["tenant"], made["limits"]["requests_per_minute"]) == ("submit", "retail", 100)
    listed = api.get("/v1/keys").text
    assert made["id"] in listed and made["key"] not in listed and "key" not in api.get(f"/v1/keys/{made['id']}").json()
    second = api.post(f"/v1/keys/{made['id']}/rotate", json={"overlap_seconds": 3600}).json()["key"]
    assert [stranger.get("/v1/jobs", headers=bearer(text)).status_code for text in (made["key"], second)] == [200, 200]
    api.post(f"/v1/keys/{made['id']}/rotate", json={"overlap_seconds": 0})
    assert stranger.get("/v1/jobs", headers=bearer(second)).status_code == 401
    assert api.delete(f"/v1/keys/{made['id']}").json()["revoked_at"]
    assert api.post(f"/v1/keys/{made['id']}/rotate", json={}).json()["code"] == "KEY_NOT_FOUND"


def test_keys_come_over_several_pages(api: TestClient) -> None:
    made = [api.post("/v1/keys", json={"name": str(number)}).json()["id"] for number in range(4)]
    first = api.get("/v1/keys?limit=3").json()
    rest = api.get(f"/v1/keys?limit=3&after={first['next_cursor']}").json()
    assert [key["id"] for key in first["data"] + rest["data"]][:4] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": "x", "scope": "write"}, "/scope"),
        ({"name": "x", "tenant": "Retail Ltd"}, "/tenant"),
        ({"name": "x", "expires_in_days": 0}, "/expires_in_days"),
        ({"name": "x", "limits": {"max_queued": 1}}, "/limits/max_queued"),
        ({"name": "x", "secret": "mine"}, "/secret"),
    ],
)
def test_a_wrong_key_is_refused_with_its_place(api: TestClient, body: dict[str, Any], pointer: str) -> None:
    answer = api.post("/v1/keys", json=body).json()
    assert answer["code"] == "BODY_INVALID"
    assert [error["pointer"] for error in answer["errors"]] == [pointer]


def test_the_audit_log_names_who_did_what(
    api: TestClient, stranger: TestClient, new_key: Key, smallest: dict[str, Any]
) -> None:
    owner = new_key("submit", tenant="retail")
    job = stranger.post("/v1/jobs", json=smallest, headers={**owner, "X-Request-Id": "r-1"}).json()["id"]
    stranger.post(f"/v1/jobs/{job}/cancel", headers=owner)
    stranger.delete(f"/v1/jobs/{job}", headers=owner)
    stranger.delete(f"/v1/jobs/{job}", headers=owner)  # is no more: nothing was done
    stranger.get("/v1/keys", headers=owner)  # is denied
    entries = api.get("/v1/audit?tenant=retail").json()["data"]
    told = [(entry["action"], entry["target"], entry["outcome"]) for entry in entries]
    assert told == [
        ("scope_insufficient", "GET /v1/keys", "denied"),
        ("delete_job", job, "done"),
        ("cancel_job", job, "done"),
        ("submit_job", job, "done"),
    ]
    assert entries[-1]["request_id"] == "r-1" and entries[-1]["actor"].endswith("(submit key)")
    page = api.get("/v1/audit?tenant=retail&limit=3").json()
    assert api.get(f"/v1/audit?tenant=retail&before={page['next_cursor']}").json()["data"][0] == entries[-1]
    assert [entry["id"] for entry in api.get("/v1/audit?action=cancel_job").json()["data"]] == [entries[2]["id"]]


def test_strangers_do_not_fill_the_audit_log(api: TestClient, stranger: TestClient) -> None:
    for _ in range(int(denials.AT_ONCE) + 30):
        assert stranger.get("/v1/jobs", headers=bearer("rtk_guess")).status_code == 401
    entries = api.get("/v1/audit?action=unauthenticated&limit=1000").json()["data"]
    assert denials.AT_ONCE <= len(entries) < denials.AT_ONCE + 20


def test_requests_beyond_the_limit_wait_their_turn(stranger: TestClient, new_key: Key) -> None:
    limited, other = new_key("read", requests_per_minute=3), new_key("read")
    answers = [stranger.get("/v1/jobs", headers=limited) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert answers[0].headers["ratelimit-policy"] == '"requests";q=3;w=60'
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    assert answers[3].json()["code"] == "RATE_LIMITED"
    unlimited = stranger.get("/v1/jobs", headers=other)
    assert unlimited.status_code == 200 and "ratelimit" not in unlimited.headers


def test_a_full_queue_is_429_and_a_repeated_post_is_not(
    stranger: TestClient, new_key: Key, smallest: dict[str, Any]
) -> None:
    key = new_key("submit", max_queued_jobs=1)
    once = {**key, "Idempotency-Key": "k"}
    assert stranger.post("/v1/jobs", json=smallest, headers=once).status_code == 201
    refused = stranger.post("/v1/jobs", json=smallest, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (429, "QUOTA_EXCEEDED")
    assert int(refused.headers["retry-after"]) > 0
    assert stranger.post("/v1/jobs", json=smallest, headers=once).status_code == 200


def test_a_tenants_limit_is_a_setting(settings: Settings, database: Database, new_key: Key, smallest: Any) -> None:
    full = settings.model_copy(update={"max_queued_jobs": 1})
    with TestClient(create_app(full, database, quiet=True), base_url=ADDRESS) as client:
        first, second = new_key("submit"), new_key("submit")  # two keys of one tenant
        assert client.post("/v1/jobs", json=smallest, headers=first).status_code == 201
        assert client.post("/v1/jobs", json=smallest, headers=second).status_code == 429


def test_the_key_of_this_machines_user_is_for_no_other(tmp_path: Path, database_url: str) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    settings = Settings(data_dir=data)
    prepared = open_database(settings.url)
    upgrade(prepared)
    database = open_service(settings)
    token = data / "token"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    text = token.read_text().strip()
    with TestClient(create_app(settings, database, quiet=True), base_url=ADDRESS) as client:
        assert client.get("/v1/keys", headers=bearer(text)).status_code == 200
    token.chmod(0o644)
    open_service(settings).close()
    assert (token.read_text().strip(), stat.S_IMODE(token.stat().st_mode)) == (text, 0o600)
    with database.begin() as session:
        keys.revoke(session, keys.list_keys(session)[0].id)
    open_service(settings).close()
    assert token.read_text().strip() != text
    database.close()


def test_in_open_mode_nobody_needs_a_key(settings: Settings, database: Database, smallest: dict[str, Any]) -> None:
    opened = settings.model_copy(update={"authentication": "open"})
    assert opened.token_file is None
    with TestClient(create_app(opened, database, quiet=True), base_url=ADDRESS) as client:
        assert client.post("/v1/jobs", json=smallest).status_code == 201
        assert client.get("/v1/session").json()["authentication"] == "open"
        assert client.get("/v1/audit").json()["data"][0]["actor"] == "anyone"


def test_an_operator_makes_the_first_key(
    database: Database, database_url: str, tmp_path: Path, api: TestClient
) -> None:
    environment = {**os.environ, "RETORT_DATABASE_URL": str(database.engine.url), "RETORT_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "api.create_key", "--name", "first"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    who = api.get("/v1/session", headers=bearer(done.stdout.strip())).json()
    assert (who["name"], who["scope"], who["tenant"]) == ("first", "admin", "default")
    assert "operator" in json.dumps(api.get("/v1/audit?action=create_key").json())
