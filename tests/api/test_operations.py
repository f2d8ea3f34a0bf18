"""Catalogues, workers, health, figures, the access log, and the process itself."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from store import jobs, workers
from store.catalogues import publish_catalogue
from store.values import Job

ROOT = Path(__file__).parents[2]


def announce(write: Any) -> None:
    write(workers.announce, "w-1", host="gpu-3", pid=1, devices=["H200"], version="0.1.0", slots=2)


def test_the_catalogues_are_there_before_any_worker(api: TestClient) -> None:
    for kind, most in (("teachers", 1000), ("students", 20)):
        found = api.get(f"/v1/{kind}").json()
        assert len(found["data"]) > most
        assert all(row["architecture"] for row in found["data"])


def test_a_workers_catalogue_replaces_the_shipped_one(api: TestClient, write: Callable[..., Any]) -> None:
    for kind in ("teachers", "students"):
        write(publish_catalogue, kind, [{"architecture": "cifar/resnet8", "num_params": 78_000}])
        row = {"architecture": "cifar/resnet8", "num_params": 78_000, "weights": "none"}
        assert api.get(f"/v1/{kind}").json()["data"] == [row]


def test_the_catalogues_tell_where_weights_are(api: TestClient, write: Callable[..., Any]) -> None:
    write(publish_catalogue, "shelf", ["cifar/resnet8", "torchvision/resnet18"])
    for kind in ("teachers", "students"):
        weights = {row["architecture"]: row["weights"] for row in api.get(f"/v1/{kind}").json()["data"]}
        assert weights["cifar/resnet8"] == weights["torchvision/resnet18"] == "shelf"
        assert weights["cifar/resnet20"] == "none"
        assert weights["torchvision/resnet50"] == "download"


def test_workers(api: TestClient, write: Callable[..., Any]) -> None:
    assert api.get("/v1/workers").json() == {"data": []}
    announce(write)
    [worker] = api.get("/v1/workers").json()["data"]
    assert (worker["id"], worker["devices"], worker["slots"], worker["alive"]) == ("w-1", ["H200"], 2, True)


def test_readiness_tells_of_workers(api: TestClient, write: Callable[..., Any]) -> None:
    assert api.get("/readyz").json()["workers_alive"] == 0
    announce(write)
    assert api.get("/readyz").json() == {
        "status": "ready",
        "database": "reachable",
        "blob_store": "database",
        "schema_current": True,
        "workers_alive": 1,
        "workers_quarantined": 0,
    }


def test_a_queued_job_knows_whether_anyone_would_run_it(
    api: TestClient, put: Callable[..., Job], write: Callable[..., Any]
) -> None:
    job = put()
    announce(write)
    assert api.get(f"/v1/jobs/{job.id}").json()["queue"] == {"position": 1, "eligible_workers": 1, "reason": None}


def test_figures(api: TestClient, put: Callable[..., Job], write: Callable[..., Any]) -> None:
    put()
    write(jobs.request_cancel, put().id)
    announce(write)
    api.get("/v1/jobs/nope")
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["retort_jobs", ("state", "queued")] == 1
    assert samples["retort_jobs", ("state", "cancelled")] == 1
    assert samples["retort_jobs", ("state", "failed")] == 0
    assert samples[("retort_workers_alive",)] == 1
    assert samples[("retort_queue_oldest_seconds",)] >= 0
    counted = ("retort_http_requests_total", ("method", "GET"), ("route", "/v1/jobs/{job_id}"), ("status", "404"))
    assert samples[counted] == 1


@pytest.fixture
def process(sqlite_url: str, tmp_path: Path) -> Iterator[Any]:
    """`python -m api` behind a socket that we bound, as the supervisor does it."""
    listening = socket.create_server(("127.0.0.1", 0))
    environment = {**os.environ, "RETORT_DATABASE_URL": sqlite_url, "RETORT_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "api", "--fd", str(listening.fileno())]
    fds = (listening.fileno(),)
    started = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=fds, stderr=subprocess.PIPE, text=True)
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=60) as client:
        assert client.get("/livez").status_code == 200
        client.headers["Authorization"] = f"Bearer {(tmp_path / 'token').read_text().strip()}"
        yield started, client
    started.kill()
    started.communicate()
    listening.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_logs_and_ends(process: Any, smallest: dict[str, Any], number: Any) -> None:
    started, client = process
    headers = {"X-Request-Id": "r-1", "Cookie": "hunter2=hunter2"}
    assert (
        client.post("/v1/jobs?token=hunter2", json={**smallest, "name": "hunter2"}, headers=headers).status_code == 201
    )
    with client.stream("GET", f"{client.get('/v1/jobs').json()['data'][0]['id']}") as _:
        pass
    started.send_signal(number)
    _, said = started.communicate(timeout=20)
    assert started.returncode == 0
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["request_id"] for line in lines if line["method"] == "POST"] == ["r-1"]
    assert lines[0].keys() == {
        "at",
        "level",
        "logger",
        "request_id",
        "method",
        "path",
        "status",
        "num_bytes",
        "seconds",
        "client",
    }
    assert "hunter2" not in said and "rtk_" not in said


def test_a_listener_does_not_hold_up_the_end(process: Any, smallest: dict[str, Any]) -> None:
    started, client = process
    job = client.post("/v1/jobs", json=smallest).json()
    with client.stream("GET", f"/v1/jobs/{job['id']}/events", headers={"Accept": "text/event-stream"}) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        started.terminate()
        list(lines)  # the stream is ended in good order
    assert started.wait(timeout=20) == 0
