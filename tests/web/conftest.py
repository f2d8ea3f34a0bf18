"""A headless Chromium, driven over its DevTools protocol: opens a page, reads it, photographs it."""

import asyncio
import base64
import itertools
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from guarded import missing
from websockets.sync.client import ClientConnection, connect

from api.app import create_app
from api.serve import Server, configure
from core.spec import parse_job
from store import jobs, leases, sessions
from store.callers import Caller
from store.database import Database, open_database
from store.settings import Settings
from store.values import Job, Lease


class Page:
    """One tab. `complaints` collects errors, policy violations and dialogs."""

    def __init__(self, socket: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._ids = itertools.count(1)
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command; its result."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=20))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        match message["method"]:
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))
            case "Log.entryAdded" if message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])
            case "Page.javascriptDialogOpening":
                self.complaints.append(f"dialog: {message['params']['message']}")

    def look(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Size of the window in CSS pixels, and light or dark."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        """Go there; what it shows comes a moment later."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=url)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression (a promise is awaited)."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 15.0) -> None:
        """Return as soon as the expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(f"!!document.body && !!({expression})"):
            assert time.monotonic() < deadline, f"{expression} did not come true; the page says {self.text()!r}"
            time.sleep(0.05)

    def text(self) -> str:
        """What a reader sees."""
        return self.run("document.body.innerText")

    def photograph(self, path: Path) -> None:
        """The whole page as a PNG."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a headless Chromium; skips where none is installed, or fails under RETORT_TEST_REQUIRE_SERVERS=1."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        missing("no chromium is installed to look at the dashboard with (Debian: apt-get install chromium)")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    folder = tmp_path_factory.mktemp("browser")
    command = [program, *flags, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            with connect(_page_address(process), max_size=None) as channel:
                yield Page(channel)
        finally:
            process.kill()


def _page_address(process: subprocess.Popen[str]) -> str:
    """The browser says its address on stderr; the page's is asked for there."""
    assert process.stderr is not None
    for line in process.stderr:
        if match := re.search(r"DevTools listening on ws://([^/]+)/", line):
            with urllib.request.urlopen(f"http://{match[1]}/json/list", timeout=10) as answer:
                tabs = json.load(answer)
            return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    raise RuntimeError("the browser ended at its start")


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """The browser's page, as on a desk in daylight."""
    browser.complaints.clear()
    browser.look()
    yield browser
    browser.send("Page.navigate", url="about:blank")


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """An empty database."""
    opened = open_database(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def address(served: str, browser: Page, database: Database) -> Iterator[str]:
    """Where a real server answers for it; the browser is signed in there."""
    with database.begin() as session:
        secret = sessions.issue(session, "session", Caller("default", "ada", "admin"), 3600)
    browser.send("Network.setCookie", name="retort_session", value=secret, url=served, httpOnly=True, sameSite="Strict")
    yield served
    browser.send("Network.clearBrowserCookies")


@pytest.fixture
def served(database: Database, tmp_path: Path) -> Iterator[str]:
    """Where a real server answers for it."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(configure(create_app(Settings(data_dir=tmp_path), database, quiet=True), "127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=15)
    listening.close()


@pytest.fixture
def write(database: Database) -> Callable[..., Any]:
    """Calls a function of the store in a transaction of its own."""

    def write(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with database.begin() as session:
            return function(session, *arguments, **named)

    return write


@pytest.fixture
def put(write: Callable[..., Any]) -> Callable[..., Job]:
    """Puts a job into the database: `put(name="x")`."""
    smallest = {"teacher": "torchvision/resnet50", "dataset": "s3://shelf/photos.zip", "student": "small"}
    return lambda **fields: write(jobs.submit, parse_job({**smallest, **fields})).job


@pytest.fixture
def work(write: Callable[..., Any]) -> Callable[[Job], Lease]:
    """Claims a job as a worker would."""
    return lambda job: write(leases.claim, job.id, owner="worker-1", lease_seconds=600)
