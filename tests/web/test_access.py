"""The pages of API keys and webhooks, and the priority on a job's page."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from store import jobs, keys, webhooks
from store.database import Database
from store.sealing import Sealer
from store.values import Job
from store.webhook_tables import webhook_deliveries

from .conftest import Page

Write = Callable[..., Any]
SHOTS = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.run(f"document.querySelector('.entry [name={name}]').value = {value!r}")


def send(page: Page) -> None:
    page.run("document.querySelector('.entry').requestSubmit()")


def press(page: Page, title: str) -> None:
    page.run(f"[...document.querySelectorAll('main button')].find((one) => one.innerText === {title!r}).click()")


@pytest.fixture
def agreeing(page: Page) -> Page:
    """A page whose person answers every question with yes."""
    page.send("Page.addScriptToEvaluateOnNewDocument", source="window.confirm = () => true; window.alert = () => {};")
    return page


def test_a_key_is_made_shown_once_rotated_and_revoked(agreeing: Page, address: str, database: Database) -> None:
    page = agreeing
    page.open(f"{address}/#/keys")
    page.wait("document.querySelector('.records.keys')")
    fill(page, name="<img src=x onerror=alert(1)>", tenant="retail", days="30")
    page.run("document.querySelector('.entry [name=scope]').value = 'read'")
    send(page)
    page.wait("document.querySelector('.once .secret')?.innerText.startsWith('rtk_')")
    page.wait("document.querySelectorAll('.records tbody tr').length == 1")
    first = page.run("document.querySelector('.once .secret').innerText")
    with database.read() as session:
        caller = keys.find_caller(session, first)
        [key] = keys.list_keys(session)
    assert caller is not None and (caller.tenant, caller.scope) == ("retail", "read")
    assert key.expires_at is not None
    press(page, "I have stored it")
    page.wait("!document.querySelector('.once')")
    press(page, "Rotate")
    page.wait("document.querySelector('.once .secret')")
    second = page.run("document.querySelector('.once .secret').innerText")
    with database.read() as session:
        assert second != first and keys.find_caller(session, second) and keys.find_caller(session, first)
    press(page, "Revoke")
    page.wait("document.querySelector('.records .chip').innerText === 'revoked'")
    with database.read() as session:
        assert keys.find_caller(session, second) is None
    assert page.complaints == []


def test_what_the_service_refuses_is_told(page: Page, address: str) -> None:
    page.open(f"{address}/#/keys")
    page.wait("document.querySelector('.records.keys')")
    fill(page, name="a")
    page.run("document.querySelector('.entry').noValidate = true")
    fill(page, tenant="A B")
    send(page)
    page.wait("document.querySelector('.notice')?.innerText.includes('/tenant')")


def test_keys_are_for_administrators(page: Page, served: str, write: Write) -> None:
    _, text = write(keys.create, tenant="default", name="ada", scope="submit")
    page.send("Network.clearBrowserCookies")
    page.open(f"{served}/")
    page.wait("document.querySelector('input[name=key]')")
    page.run(f"document.querySelector('input[name=key]').value = {text!r}")
    page.run("document.querySelector('.sign-in form').requestSubmit()")
    page.wait("document.body.hasAttribute('data-signed-in')")
    assert page.run("getComputedStyle(document.querySelector('[data-nav=keys]')).display") == "none"
    assert page.run("getComputedStyle(document.querySelector('[data-nav=webhooks]')).display") != "none"
    page.open(f"{served}/#/keys")
    page.wait("document.querySelector('.notice')?.innerText.includes('scope')")
    page.send("Network.clearBrowserCookies")


def test_a_webhook_is_added_disabled_and_deleted(agreeing: Page, address: str, database: Database) -> None:
    page = agreeing
    page.open(f"{address}/#/webhooks")
    page.wait("document.querySelector('.empty')")
    fill(page, url="http://127.0.0.1:9/services/T0000000/abcdefghijklmnopqrstuvwx", description="<b>shop</b>")
    send(page)
    page.wait("document.querySelector('.once .secret')?.innerText.startsWith('whsec_')")
    page.wait("document.querySelector('.records .chip')?.innerText === 'enabled'")
    assert "abcdefghijklmnopqrstuvwx" not in page.text() and "<b>shop</b>" in page.text()
    with database.read() as session:
        [made] = webhooks.list_webhooks(session, "default")
    assert made.events == ("job.succeeded", "job.failed", "job.cancelled")
    press(page, "Disable")
    page.wait("document.querySelector('.records .chip').innerText === 'disabled'")
    press(page, "Delete")
    page.wait("document.querySelector('.empty')")
    assert page.complaints == []


@pytest.fixture
def dead(write: Write, put: Callable[..., Job], address: str) -> Iterator[str]:
    """A webhook with a dead message; its id."""
    sealer = Sealer([bytes(32)])
    hook, _ = write(
        webhooks.create, sealer, "default", url="http://127.0.0.1:9/", events=("job.cancelled",), description="shop"
    )
    write(webhooks.change, "default", hook.id, {"enabled": True})
    job = put(name="shelf")
    write(jobs.request_cancel, job.id)
    write(lambda session: session.execute(webhook_deliveries.update().values(state="dead", error="answered 500")))
    yield hook.id


def test_a_dead_message_is_seen_and_sent_again(agreeing: Page, address: str, dead: str, write: Write) -> None:
    page = agreeing
    page.open(f"{address}/#/webhooks")
    page.wait("document.querySelector('.records .main a')")
    page.run("document.querySelector('.records .main a').click()")
    page.wait("document.querySelector('.records.deliveries')")
    page.wait("document.querySelector('.records .chip').innerText === 'dead'")
    assert "answered 500" in page.text() and "job.cancelled" in page.text()
    press(page, "Send again")
    page.wait("document.querySelector('.records .chip').innerText !== 'dead'")
    page.run(
        "(() => { const chosen = document.querySelector('.heading select'); chosen.value = 'dead';"
        " chosen.dispatchEvent(new Event('change')); })()"
    )
    page.wait("document.querySelector('.empty')?.innerText.includes('No messages')")
    assert page.complaints == []


def test_a_waiting_job_gets_another_priority(page: Page, address: str, put: Callable[..., Job], write: Write) -> None:
    job = put(name="shelf")
    page.open(f"{address}/#/jobs/{job.id}")
    page.wait("document.querySelector('.priority input')?.value === '0'")
    page.run(
        "(() => { const field = document.querySelector('.priority input'); field.value = '7';"
        " field.dispatchEvent(new Event('input')); })()"
    )
    put(name="another")  # the page is drawn anew meanwhile
    press(page, "Set")
    until = time.monotonic() + 15
    while write(jobs.get, job.id).priority != 7:
        assert time.monotonic() < until
        time.sleep(0.05)
    page.wait("document.querySelector('.priority input').value === '7'")
    press(page, "Pause")
    page.wait("[...document.querySelectorAll('button')].some((one) => one.innerText === 'Resume')")
    assert page.run("!!document.querySelector('.priority')")
    press(page, "Cancel")
    page.wait("!document.querySelector('.priority')")


def test_the_pages_look_right(page: Page, address: str, dead: str, write: Write, tmp_path: Path) -> None:
    for name in ("continuous integration", "ada", "a-name-that-is-long-" * 8):
        write(keys.create, tenant="retail", name=name, scope="submit", expires_seconds=86400.0)
    gone, _ = write(keys.create, tenant="default", name="old", scope="admin")
    write(keys.revoke, gone.id)
    places = {"keys": ".records", "webhooks": ".records", f"webhooks/{dead}": ".records"}
    for width, scheme in SHOTS:
        page.look(width=width, height=900, scheme=scheme)
        for place, sign in places.items():
            page.open(f"{address}/#/{place}")
            page.wait(f"document.querySelector('{sign}')")
            page.run("document.querySelectorAll('details').forEach((one) => (one.open = true))")
            page.photograph(tmp_path / f"{place.partition('/')[0]}{len(place)}-{width}-{scheme}.png")
            assert page.run("document.documentElement.scrollWidth") <= width, (place, width)
