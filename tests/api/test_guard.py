"""Who is let in: Host, Origin, address; and what every answer carries."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from store.database import Database
from store.settings import Settings
from store.values import Job

ROOT = Path(__file__).parents[2]
HOSTS = ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:8000", "[::1]"]
STRANGERS = [
    "evil.example",
    "127.0.0.1.evil.example:8000",
    "",
    "localhost.evil.example",
    "[::2]",
    "127.0.0.1@evil.example",
]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("host", HOSTS)
def test_loopback_is_let_in(api: TestClient, host: Any) -> None:
    assert api.get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", STRANGERS)
def test_another_host_is_not_this_server(api: TestClient, problem: Callable[..., dict[str, Any]], host: Any) -> None:
    """A page of a stranger whose name was made to resolve to 127.0.0.1 (DNS rebinding) sends its own name as Host."""
    problem(api.get("/v1/jobs", headers={"Host": host}), 421, "HOST_UNTRUSTED")
    problem(api.get("/", headers={"Host": host}), 421, "HOST_UNTRUSTED")


def test_a_named_host_is_let_in(
    database: Database,
    settings: Settings,
    problem: Callable[..., dict[str, Any]],
    new_key: Callable[..., dict[str, str]],
) -> None:
    app = create_app(Settings(data_dir=settings.data_dir, allowed_hosts="Retort.example"), database, quiet=True)
    with TestClient(app, headers=new_key()) as client:
        assert client.get("/v1/jobs", headers={"Host": "retort.example:443"}).status_code == 200
        assert client.get("/livez", headers={"Host": "127.0.0.1"}).status_code == 200
        problem(client.get("/livez", headers={"Host": "other.example"}), 421, "HOST_UNTRUSTED")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1:8000.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_change_nothing(
    api: TestClient,
    problem: Callable[..., dict[str, Any]],
    put: Callable[..., Job],
    smallest: dict[str, Any],
    headers: dict[str, Any],
) -> None:
    job = put()
    problem(api.post("/v1/jobs", json=smallest, headers=headers), 403, "ORIGIN_FORBIDDEN")
    problem(api.post(f"/v1/jobs/{job.id}/cancel", headers=headers), 403, "ORIGIN_FORBIDDEN")
    problem(api.delete(f"/v1/jobs/{job.id}", headers=headers), 403, "ORIGIN_FORBIDDEN")
    assert [one["state"] for one in api.get("/v1/jobs").json()["data"]] == ["queued"]


@pytest.mark.parametrize("headers", [{"Origin": "http://127.0.0.1:8000"}, {"Sec-Fetch-Site": "same-origin"}, {}])
def test_our_own_page_and_programs_may(api: TestClient, smallest: dict[str, Any], headers: dict[str, Any]) -> None:
    assert api.post("/v1/jobs", json=smallest, headers=headers).status_code == 201


def test_pages_run_no_foreign_script_and_sit_in_no_frame(api: TestClient) -> None:
    headers = api.get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert api.get("/v1/jobs").headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in api.get("/v1/jobs", headers={"Origin": "https://evil.example"}).headers


@pytest.mark.parametrize("url", ["/v1/jobs?label=a%00b=c", "/v1/jobs/a%00b", "/v1/jobs/x/artifacts/%00", "/web/%00"])
def test_a_nul_in_the_url_is_refused(api: TestClient, problem: Callable[..., dict[str, Any]], url: str) -> None:
    problem(api.get(url), 400, "REQUEST_MALFORMED")


@pytest.mark.parametrize(
    "path", ["/web/../pyproject.toml", "/web/%2e%2e/pyproject.toml", "/web/..%2fpyproject.toml", "/web//etc/passwd"]
)
def test_only_the_dashboards_files_are_served(api: TestClient, path: str) -> None:
    assert api.get(path).status_code == 404


def run_api(*arguments: Any, **environment: Any) -> Any:
    command = [sys.executable, "-m", "api", *arguments]
    kept = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_another_address_is_refused_while_keys_are_off(tmp_path: Path, database_url: str, host: str) -> None:
    done = run_api("--host", host, "--port", "0", RETORT_DATA_DIR=str(tmp_path), RETORT_AUTHENTICATION="open")
    assert done.returncode == 2
    assert repr(host) in done.stderr
    assert "RETORT_AUTHENTICATION=keys" in done.stderr
