"""Whole jobs with credentials: no part of a secret is found anywhere that a job leaves something behind.

The worker and the engine are real. A web server on loopback wants the credentials, so the test also proves that they
arrive where they belong.
"""

import base64
import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import ROOT, SETTINGS, Running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

USER, PASSWORD = "canary-user-5f2a", "canary-pass/word+7c41"
SIGNATURE, WRONG, TOKEN = "canary-signature-90be", "canary-wrong-11d7", "canary-token-e3a8"
CANARIES = (USER, PASSWORD, SIGNATURE, WRONG, TOKEN, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
SMALL = {
    "student": "nano",
    "method": "scratch",
    "training": {"epochs": 1, "batch_size": 8, "seed": 1, "devices": "cpu", "image_size": 16},
}


def photos() -> bytes:
    """A zip of two classes."""
    buffer = io.BytesIO()
    random = np.random.default_rng(0)
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(48):
            image = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(image, "PNG")
            archive.writestr(f"{('ants', 'bees')[number % 2]}/{number}.png", image.getvalue())
    return buffer.getvalue()


class Shop:
    """A web server: /photos.zip wants USER and PASSWORD, /signed.zip the SIGNATURE; it takes messages of webhooks."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.told: list[bytes] = []
        content, shop = photos(), self
        authorization = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                opened = self.path == f"/signed.zip?signature={SIGNATURE}" or (
                    self.path == "/photos.zip" and self.headers["Authorization"] == authorization
                )
                if not opened:
                    # A server that quotes what it was asked: none of it may be recorded.
                    self.send_error(401, f"no {self.path} {self.headers['Authorization']}")
                    return
                shop.served.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                shop.told.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class ProcessWatch:
    """Command lines and environments of all processes that work in a folder, read as long as it runs."""

    def __init__(self, folder: Path) -> None:
        self.seen: dict[str, bytes] = {}
        self._folder, self._over = str(folder), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if os.readlink(process / "cwd").startswith(self._folder):
                        for name in ("cmdline", "environ"):
                            self.seen[f"{process.name} {name}"] = (process / name).read_bytes()
                except OSError:
                    continue
            time.sleep(0.1)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """Everything that jobs with secrets left, by the place where it was found."""
    folder = tmp_path_factory.mktemp("canaries")
    shop = Shop()
    running = Running(folder, {"data_dir": folder / "data", **SETTINGS})
    watch = ProcessWatch(folder)
    try:
        secrets = {
            "shop": f"{USER}:{PASSWORD}", "signed": f"{shop.url}/signed.zip?signature={SIGNATURE}",
            "wrong": f"Bearer {WRONG}", "absent": f"{shop.url}/absent.zip?token={TOKEN}",
            "broken": f"http://{TOKEN}@[::1/?token={TOKEN}",
        }  # fmt: skip
        for name, value in secrets.items():
            assert running.client.put(f"/v1/secrets/{name}", json={"value": value}).status_code < 300
        endpoint = running.client.post("/v1/webhooks", json={"url": f"{shop.url}/hook"})
        assert endpoint.status_code == 201, endpoint.text
        found = _answers(running, _jobs(running, shop), shop)
        watch.stop()
        assert {"/photos.zip", f"/signed.zip?signature={SIGNATURE}"} == set(shop.served)
        assert shop.told and any("environ" in place for place in watch.seen)
        yield found | watch.seen | _rows(folder) | _files(folder) | {"webhooks": b"\n".join(shop.told)}
    finally:
        watch.stop()
        running.stop()
        shop.close()


def _jobs(running: Running, shop: Shop) -> list[str]:
    """Two jobs that succeed and four that fail, in their ends."""
    photos_uri = f"{shop.url}/photos.zip"
    good = [{"uri": photos_uri, "credentials": "secret://shop"}, "secret://signed"]
    bad = [{"uri": photos_uri, "credentials": "secret://wrong"}, "secret://absent", "secret://broken",
           {"uri": photos_uri, "credentials": "secret://shop", "classes": ["ants", "no-such-class"]}]  # fmt: skip
    ids = [running.submit({**SMALL, "dataset": dataset}) for dataset in good]
    failing = [running.submit({**SMALL, "dataset": dataset}) for dataset in bad]
    for job in ids:
        running.wait(job, "succeeded")
    for job in failing:
        running.wait(job, "failed")
    refused = running.client.post("/v1/jobs", json={**SMALL, "dataset": f"http://{USER}:{PASSWORD}@127.0.0.1/x.zip"})
    assert refused.status_code == 422 and PASSWORD not in refused.text and USER not in refused.text
    return ids + failing


def _answers(running: Running, ids: list[str], shop: Shop) -> dict[str, bytes]:
    """What every list, job, event, log and artifact of the API says, and `retort show`."""
    paths = ["/v1/jobs?include=spec", "/v1/jobs", "/v1/secrets", "/v1/audit", "/v1/workers", "/v1/webhooks", "/metrics"]
    for job in ids:
        paths += [f"/v1/jobs/{job}{end}" for end in ("", "/events?limit=1000", "/logs", "/artifacts", "/metrics")]
    found = {path: running.client.get(path).content for path in paths}
    for job in ids:
        found |= {f"{job} {name}": content for name, content in running.download(job).items()}
        command = [sys.executable, "-m", "retort", "show", job, "--url", str(running.client.base_url)]
        key = running.client.headers["Authorization"].removeprefix("Bearer ")
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "client"), "RETORT_API_KEY": key}
        done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
        found[f"retort show {job}"] = done.stdout + done.stderr
    events = [json.loads(found[f"/v1/jobs/{job}/events?limit=1000"]) for job in ids]
    assert all(one["data"] for one in events)
    deadline = time.monotonic() + 30
    while len(shop.told) < len(ids) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _rows(folder: Path) -> dict[str, bytes]:
    """Every cell of every table."""
    found: dict[str, bytes] = {}
    with closing(sqlite3.connect(f"file:{folder / 'data/retort.db'}?mode=ro", uri=True)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
            found[f"table {table}"] = b"\n".join(
                cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row
            )
    assert found["table jobs"] and found["table secrets"]
    return found


def _files(folder: Path) -> dict[str, bytes]:
    """Every file below the data folder and the logs of API and worker; the database is read by its rows as well."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_part_of_a_secret_is_left_behind(left_behind: dict[str, bytes]) -> None:
    assert len(left_behind) > 50
    leaks = {
        (canary, place): content[max(0, at - 80) : at + 80]
        for place, content in left_behind.items()
        for canary in CANARIES
        if (at := content.find(canary.encode())) >= 0
    }
    assert leaks == {}
