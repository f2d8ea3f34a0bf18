"""Signing in to the dashboard: by key, by a link that works once, and out again."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from store import keys, sessions
from store.callers import Caller
from store.database import Database
from store.values import Job

from .conftest import Page

FIELD = "document.querySelector('input[name=key]')"


@pytest.fixture
def unknown(served: str, page: Page) -> Iterator[str]:
    """The address of the service; the browser is not signed in."""
    page.send("Network.clearBrowserCookies")
    yield served
    page.send("Network.clearBrowserCookies")


@pytest.fixture
def key(write: Callable[..., Any]) -> str:
    _, text = write(keys.create, tenant="default", name="ada", scope="submit")
    return str(text)


def sign_in(page: Page, key: str) -> None:
    page.wait(FIELD)
    page.run(f"{FIELD}.value = {key!r}; document.querySelector('.sign-in form').requestSubmit()")


def test_a_key_signs_in_and_the_button_signs_out(page: Page, unknown: str, key: str, put: Callable[..., Job]) -> None:
    job = put(name="shelf")
    page.open(f"{unknown}/#/jobs/{job.id}")
    sign_in(page, key)
    page.wait("document.querySelector('h1')?.innerText.includes('shelf')")
    assert page.run("document.cookie") == ""  # no script can read the session
    assert "ada" in page.run("document.getElementById('account').innerText")
    page.run("[...document.querySelectorAll('#account button')][0].click()")
    page.wait(FIELD)
    assert "shelf" not in page.text()
    assert page.run("fetch('/v1/jobs').then((answer) => answer.status)") == 401


def test_a_wrong_key_is_told_and_shows_nothing(page: Page, unknown: str, key: str, put: Callable[..., Job]) -> None:
    put(name="shelf")
    page.open(f"{unknown}/")
    sign_in(page, key[:-1] + ("A" if key[-1] != "A" else "B"))
    page.wait("document.querySelector('.fault').innerText.includes('unknown, expired or revoked')")
    assert "shelf" not in page.text()


def test_a_link_signs_in_once_and_leaves_no_code(page: Page, unknown: str, database: Database) -> None:
    with database.begin() as session:
        code = sessions.issue(session, "code", Caller("default", "ada", "admin"), 60)
    page.open(f"{unknown}/#/sign-in/{code}")
    page.wait("document.body.hasAttribute('data-signed-in')")
    assert page.run("location.href") == f"{unknown}/#/jobs"
    history = page.send("Page.getNavigationHistory")["entries"]
    assert not [entry for entry in history if code in entry["url"]]
    page.send("Network.clearBrowserCookies")
    page.open(f"{unknown}/#/sign-in/{code}")
    page.wait(FIELD)
    assert "This link was used" in page.text()


def test_a_session_that_ended_leads_to_the_sign_in_page(page: Page, address: str, write: Callable[..., Any]) -> None:
    page.open(f"{address}/#/jobs")
    page.wait("document.querySelector('.empty')")
    page.send("Network.clearBrowserCookies")
    page.wait(FIELD)
    assert "Your session has ended" in page.text()


def test_the_page_looks_right(page: Page, unknown: str, tmp_path: Any) -> None:
    for width, scheme in ((1280, "light"), (390, "dark")):
        page.look(width=width, height=800, scheme=scheme)
        page.open(f"{unknown}/")
        page.wait(FIELD)
        page.photograph(tmp_path / f"sign-in-{width}-{scheme}.png")
        assert page.run("document.documentElement.scrollWidth") <= width
