"""Webhooks over HTTP: endpoints, and messages that a real receiver verifies, however often their sender is killed."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from api import webhook_request, webhook_url
from api.webhook_sender import WebhookSender
from api.webhook_url import limits_of
from store import deliveries, leases
from store.database import Database
from store.sealing import Sealer
from store.settings import Settings
from store.values import Job, Lease
from store.webhook_values import EVENT_TYPES, Due
from tests.api.receiver import Receiver
from tests.api.sending import KEY

Problems = Callable[..., dict[str, Any]]
SEALER = Sealer.of(KEY, Path("unused"))
PUBLIC_ONLY = limits_of(False, (80, 443))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def hook(api: TestClient, receiver: Receiver) -> dict[str, Any]:
    """A webhook of the receiver that wants to hear everything."""
    answer = api.post("/v1/webhooks", json={"url": receiver.url, "events": list(EVENT_TYPES)})
    assert answer.status_code == 201, answer.text
    receiver.secret = answer.json()["secret"]
    made: dict[str, Any] = answer.json()
    return made


def wait_for(what: Callable[[], Any], seconds: float = 30.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def test_a_receiver_is_told_of_each_state_in_order_and_can_verify_it(
    api: TestClient, hook: dict[str, Any], receiver: Receiver, put: Callable[..., Job], work: Callable[[Job], Lease],
    write: Callable[..., Any],
) -> None:  # fmt: skip
    job = put(name="shelf")
    write(leases.succeed, work(job), {})
    wait_for(lambda: len(receiver.messages) == 3)
    assert [body["type"] for _, body in receiver.messages] == ["job.queued", "job.running", "job.succeeded"]
    assert all(body["data"]["job_id"] == job.id and body["data"]["name"] == "shelf" for _, body in receiver.messages)
    assert receiver.refused == 0
    page = api.get(f"/v1/webhooks/{hook['id']}/deliveries", params={"limit": 2}).json()
    assert [one["type"] for one in page["data"]] == ["job.succeeded", "job.running"] and page["has_more"]
    rest = api.get(f"/v1/webhooks/{hook['id']}/deliveries", params={"after": page["next_cursor"]}).json()
    assert [one["type"] for one in rest["data"]] == ["job.queued"] and not rest["has_more"]
    wait_for(lambda: not api.get(f"/v1/webhooks/{hook['id']}/deliveries", params={"state": "pending"}).json()["data"])


def test_a_failed_message_is_seen_and_replayed_under_the_same_id(
    api: TestClient, hook: dict[str, Any], receiver: Receiver, put: Callable[..., Job], problem: Problems,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(deliveries, "PAUSES_SECONDS", ())
    receiver.answer = lambda count: (500, {}) if count == 0 else (200, {})
    put()
    path = f"/v1/webhooks/{hook['id']}/deliveries"
    (dead,) = wait_for(lambda: api.get(path, params={"state": "dead"}).json()["data"])
    assert (dead["status"], dead["tries"]) == (500, 1) and "500" in dead["error"]
    answer = api.post(f"{path}/{dead['id']}/replay")
    assert (answer.status_code, answer.json()["message_id"]) == (202, dead["message_id"])
    wait_for(lambda: [name for name, _ in receiver.messages] == [dead["message_id"]])
    assert api.post(f"/v1/webhooks/{hook['id']}/replay").json() == {"replayed": 0}
    problem(api.post(f"{path}/999999/replay"), 404, "DELIVERY_NOT_FOUND")
    problem(api.post(f"{path}/{2**70}/replay"), 422, "PARAMETER_INVALID")


def test_redirects_are_not_followed_and_answers_are_not_quoted(
    api: TestClient, hook: dict[str, Any], receiver: Receiver, put: Callable[..., Job]
) -> None:
    receiver.answer = lambda _: (302, {"Location": "http://127.0.0.1:1/secret-place", "X-Secret": "canary"})
    put()
    path = f"/v1/webhooks/{hook['id']}/deliveries"
    (message,) = wait_for(lambda: [one for one in api.get(path).json()["data"] if one["status"]])
    assert message["status"] == 302 and message["state"] == "pending"
    assert "secret" not in message["error"] and "canary" not in message["error"]
    assert receiver.requests == 1


def test_the_secret_is_shown_once_and_rotated_with_overlap(
    api: TestClient, hook: dict[str, Any], receiver: Receiver, put: Callable[..., Job]
) -> None:
    path = f"/v1/webhooks/{hook['id']}"
    assert "secret" not in api.get(path).json() and "secret" not in api.get("/v1/webhooks").json()["data"][0]
    rotated = api.post(f"{path}/rotate").json()["secret"]
    assert rotated != hook["secret"]
    put()
    wait_for(lambda: len(receiver.messages) == 1)  # it knows the former secret alone
    receiver.secret = rotated
    put()
    wait_for(lambda: len(receiver.messages) == 2)
    assert receiver.refused == 0


def test_tokens_in_an_address_are_not_shown(api: TestClient, settings: Settings) -> None:
    token = "ABCDEFGHIJKLMNOPQRSTUVWX"
    url = f"http://127.0.0.1:9/services/T0000/{token}?key={token}&b={token}#"
    made = api.post("/v1/webhooks", json={"url": url.rstrip("#")})
    assert made.json()["url"] == "http://127.0.0.1:9/services/T0000/...?key=...&b=..."
    path = f"/v1/webhooks/{made.json()['id']}"
    shown = [
        made,
        api.get(path),
        api.get("/v1/webhooks"),
        api.patch(path, json={"description": "x"}),
        api.get("/v1/audit"),
    ]
    assert not [answer.text for answer in shown if token in answer.text]
    refused = api.post("/v1/webhooks", json={"url": f"ftp://x/{token}"})
    assert refused.status_code == 422 and token not in refused.text


def test_the_figures_tell_of_messages(
    api: TestClient, hook: dict[str, Any], receiver: Receiver, put: Callable[..., Job]
) -> None:
    receiver.answer = lambda count: (200, {}) if count else (500, {})
    put()
    wait_for(lambda: 'retort_webhook_tries_total{outcome="failed"} 1.0' in api.get("/metrics").text)
    put()
    wait_for(lambda: 'retort_webhook_tries_total{outcome="delivered"} 1.0' in api.get("/metrics").text)
    figures = wait_for(lambda: (text := api.get("/metrics").text) and 'state="delivered"} 1.0' in text and text)
    assert 'retort_webhook_messages{state="pending"} 1.0' in figures
    assert 'retort_webhooks{state="enabled"} 1.0' in figures and "retort_webhook_oldest_due_seconds 0.0" in figures


def test_a_webhook_is_changed_and_deleted(
    api: TestClient, hook: dict[str, Any], receiver: Receiver, put: Callable[..., Job], problem: Problems
) -> None:
    path = f"/v1/webhooks/{hook['id']}"
    changed = api.patch(path, json={"enabled": False, "description": "off", "events": ["job.failed"]}).json()
    assert (changed["enabled"], changed["description"], changed["events"]) == (False, "off", ["job.failed"])
    assert api.patch(path, json={}).json() == changed == api.get(path).json()
    problem(api.patch(path, json={"url": "ftp://x/"}), 422, "WEBHOOK_URL_REFUSED")
    problem(api.patch(path, json={"urll": "x"}), 422, "BODY_INVALID")
    assert api.delete(path).status_code == 204
    for answer in (api.get(path), api.patch(path, json={}), api.delete(path), api.post(f"{path}/rotate")):
        problem(answer, 404, "WEBHOOK_NOT_FOUND")
    for rest in ("deliveries", "deliveries/1/replay", "replay"):
        answer = api.get(f"{path}/{rest}") if rest == "deliveries" else api.post(f"{path}/{rest}")
        problem(answer, 404, "WEBHOOK_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [{}, {"url": 3}, *({"url": "https://x.example/", "events": events} for events in ([], ["job.done"], "job.failed"))],
)  # fmt: skip
def test_a_body_that_is_no_webhook_is_refused(api: TestClient, problem: Problems, body: Any) -> None:
    assert problem(api.post("/v1/webhooks", json=body), 422, "BODY_INVALID")["errors"]


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data", "https://[::ffff:127.0.0.1]/", "https://0/", "https://2130706433/",
        "https://93.184.216.34:6379/", "https://user:pass@93.184.216.34/", "https://93.184.216.34/#x", "file:///etc/passwd",
        "https://", "https://[", "https://x:99999/", "https://no-such-host.invalid/", "https://93.184.216.34/ x", "",
    ],
)  # fmt: skip
def test_addresses_that_may_not_be_told_are_refused_where_only_public_ones_may(url: str) -> None:
    with pytest.raises(webhook_url.Problem) as refused:
        webhook_url.check(url, PUBLIC_ONLY)
    assert (refused.value.status, refused.value.code) == (422, "WEBHOOK_URL_REFUSED")


def test_an_address_that_became_private_is_not_dialled(receiver: Receiver) -> None:
    """The address was checked when it was given; it is checked again at each try."""
    outcome = webhook_request.send(due_at(receiver, SEALER), lambda: SEALER, PUBLIC_ONLY)
    assert not outcome.delivered and outcome.status is None
    assert receiver.requests == 0


def test_a_message_whose_secret_was_sealed_with_another_key_is_not_sent(receiver: Receiver) -> None:
    outcome = webhook_request.send(due_at(receiver, Sealer([bytes(32)])), lambda: SEALER, limits_of(True, ()))
    assert not outcome.delivered and "another key" in str(outcome.error)
    assert receiver.requests == 0


def due_at(receiver: Receiver, sealer: Sealer) -> Due:
    sealed = sealer.seal("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", tenant="a", name="wh_1")
    return Due(1, "msg_1", "wh_1", "a", receiver.url, "{}", (sealed,), 1)


def test_a_receiver_that_does_not_answer_holds_up_no_other(
    api: TestClient, hook: dict[str, Any], receiver: Receiver, put: Callable[..., Job]
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert api.post("/v1/webhooks", json={"url": url, "events": ["job.queued"]}).status_code == 201
        for _ in range(6):
            put()
        wait_for(lambda: len(receiver.messages) == 6, seconds=10)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_message_is_missing_though_the_sender_is_killed_fifty_times(
    database: Database, app: FastAPI, settings: Settings, put: Callable[..., Job], write: Callable[..., Any],
    work: Callable[[Job], Lease],
) -> None:  # fmt: skip
    """P15: at least once, with stable ids, in order within a job. The killed sender's messages are taken over."""
    generator = random.Random(15)
    receiver = Receiver(lambda count: (200, {}) if count % 3 else (503, {}))
    made = write(_webhook, receiver.url)
    receiver.secret = made
    url = database.engine.url.render_as_string(hide_password=False)
    kills, job_ids = 0, []
    command = [sys.executable, str(Path(__file__).with_name("sending.py")), url, "1.0"]
    while kills < 50:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as sender:
            assert sender.stdout is not None and sender.stdout.readline() == b"sending\n"
            for _ in range(2):
                job = put()
                job_ids.append(job.id)
                write(leases.succeed, work(job), {})
            time.sleep(generator.uniform(0.0, 0.3))
            write(_hasten)
            sender.kill()
            kills += 1
    last = WebhookSender(database, lambda: SEALER, limits_of(True, ()), look_seconds=0.05)
    last.start()
    try:
        wait_for(lambda: write(_hasten) == 0, seconds=240)
    finally:
        last.close()
        receiver.close()
    seen: dict[str, list[tuple[int, str]]] = {job_id: [] for job_id in job_ids}
    names = {name for name, _ in receiver.messages}
    for name, body in receiver.messages:
        seen[body["data"]["job_id"]].append((body["data"]["seq"], name))
    missing = [job_id for job_id, found in seen.items() if len({seq for seq, _ in found}) != 3]
    twice = len(receiver.messages) - len(names)
    print(f"{kills} kills, {len(names)} messages, {twice} sent twice, {len(missing)} missing")
    assert missing == [] and receiver.refused == 0
    assert len(names) == 3 * len(job_ids)
    for found in seen.values():
        firsts = [seq for number, (seq, name) in enumerate(found) if name not in {one for _, one in found[:number]}]
        assert firsts == sorted(firsts)


def _webhook(session: Any, url: str) -> str:
    from store import webhooks

    _, secret = webhooks.create(
        session, SEALER, "default", url=url, events=("job.queued", "job.running", "job.succeeded"), description=""
    )
    return secret


def _hasten(session: Any) -> int:
    """Let pending messages be due within a second, whatever their pauses; how many are pending."""
    from sqlalchemy import func, select, update

    from store.clock import from_now
    from store.webhook_tables import webhook_deliveries as rows

    waiting = rows.c.state == "pending"
    session.execute(update(rows).where(waiting, rows.c.next_at > from_now(1.0)).values(next_at=from_now(0.0)))
    count: int = session.execute(select(func.count()).select_from(rows).where(waiting)).scalar_one()
    return count
