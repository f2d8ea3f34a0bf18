"""Answers that take long end with the key or session that they were asked with."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from store import jobs, keys, sessions
from store.callers import Caller
from store.database import Database
from store.values import Job

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Write = Callable[..., Any]
STREAM = {"Accept": "text/event-stream"}
SECONDS = 8.0


@pytest.fixture(autouse=True)
def brief_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.sse.HEARTBEAT_SECONDS", 0.2)


def new_key(write: Write, **named: Any) -> tuple[str, dict[str, str]]:
    key, text = write(keys.create, tenant="default", name="short", scope="read", **named)
    return key.id, {"Authorization": f"Bearer {text}"}


def until_ended(served: httpx.Client, job: Job, headers: dict[str, str], then: Callable[[], Any]) -> tuple[float, str]:
    """Listen, call `then` once the stream has begun; the seconds until the stream ends, and all its text."""
    text = ""
    url, started = f"{served.base_url}/v1/jobs/{job.id}/events", None
    with httpx.stream("GET", url, headers={**STREAM, **headers}, timeout=SECONDS) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            text += f"{line}\n"
            if started is None and line.startswith("id:"):
                then()
                started = time.monotonic()
            assert started is None or time.monotonic() < started + SECONDS
    assert started is not None
    return time.monotonic() - started, text


def test_a_stream_ends_when_its_key_is_revoked(served: httpx.Client, put: Callable[..., Job], write: Write) -> None:
    job, (key_id, headers) = put(), new_key(write)

    def revoke() -> None:
        write(keys.revoke, key_id)
        time.sleep(1.5)
        write(jobs.request_cancel, job.id)

    _, text = until_ended(served, job, headers, revoke)
    assert '"cancelled"' not in text  # what happened after the key was revoked
    assert served.get(f"/v1/jobs/{job.id}", headers=headers).status_code == 401


def test_a_stream_ends_when_its_key_expires(served: httpx.Client, put: Callable[..., Job], write: Write) -> None:
    _, headers = new_key(write, expires_seconds=2.0)
    until_ended(served, put(), headers, lambda: None)


def test_a_stream_ends_when_its_browser_signs_out(served: httpx.Client, put: Callable[..., Job], write: Write) -> None:
    secret = write(sessions.issue, "session", Caller("default", "ada", "read"), 600)
    cookie = {"Cookie": f"retort_session={secret}"}
    own_page = {"Origin": str(served.base_url).rstrip("/")}

    def sign_out() -> None:
        with httpx.Client(base_url=served.base_url) as browser:
            assert browser.delete("/v1/session", headers={**cookie, **own_page}).status_code == 204

    until_ended(served, put(), cookie, sign_out)


def test_a_stream_goes_on_while_its_key_is_valid(served: httpx.Client, put: Callable[..., Job], write: Write) -> None:
    job, (_, headers) = put(), new_key(write)
    cancel = threading.Timer(2.5, lambda: write(jobs.request_cancel, job.id))
    _, text = until_ended(served, job, headers, cancel.start)
    assert '"cancelled"' in text


def test_a_long_poll_tells_nothing_to_a_key_that_was_revoked_meanwhile(
    served: httpx.Client, put: Callable[..., Job], write: Write, problem: Callable[..., dict[str, Any]]
) -> None:
    job, (key_id, headers) = put(), new_key(write)
    threading.Timer(0.5, lambda: write(keys.revoke, key_id)).start()
    threading.Timer(2.5, lambda: write(jobs.request_cancel, job.id)).start()
    etag = served.get(f"/v1/jobs/{job.id}", headers=headers).headers["etag"]
    waiting = {**headers, "Prefer": "wait=20", "If-None-Match": etag}
    answer = served.get(f"/v1/jobs/{job.id}", headers=waiting)
    problem(answer, 401, "UNAUTHENTICATED")


def test_the_database_may_be_away_while_a_stream_goes_on(
    served: httpx.Client, put: Callable[..., Job], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    job, (_, headers) = put(), new_key(write)

    def away(_: Database, __: str) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    def lose() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(keys, "find_caller", away)
            time.sleep(2.5)
        write(jobs.request_cancel, job.id)

    _, text = until_ended(served, job, headers, lose)
    assert '"cancelled"' in text
