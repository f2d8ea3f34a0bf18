"""Events, log lines and metrics; the event stream over a real connection."""

import json
import math
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from api import change_feed
from api.series import thin
from store import leases, queries
from store.values import Job, Lease, LogLine, MetricPoint, NewEvent, Point

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def said(*messages: Any) -> list[Any]:
    return [LogLine("info", message, NOW) for message in messages]


def listen(client: Any, job: Any, *, headers: Any = None, stop: Any = lambda event: False) -> Any:
    """(id, event, data) of each server-sent event until the stream ends or `stop` is true of one."""
    found = []
    with client.stream(
        "GET", f"/v1/jobs/{job.id}/events", headers={"Accept": "text/event-stream", **(headers or {})}
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields = {}
        for line in answer.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif not line and "data" in fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
                fields = {}
                if stop(found[-1]):
                    break
    return found


def test_events_come_in_pages(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    lease = work(job)
    write(leases.record, lease, phase="preparing", logs=said("one", "two"))
    first = api.get(f"/v1/jobs/{job.id}/events?limit=3").json()
    assert [event["kind"] for event in first["data"]] == ["state", "state", "phase"]
    assert first["has_more"]
    rest = api.get(f"/v1/jobs/{job.id}/events?after={first['next_cursor']}").json()
    assert [event["data"]["message"] for event in rest["data"]] == ["one", "two"]
    assert not rest["has_more"]


def test_log_lines_are_those_of_the_attempt(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    lease = work(job)
    write(leases.record, lease, logs=said("first go"))
    write(leases.release, lease)
    write(leases.record, work(job), logs=said("second go"))
    lines = api.get(f"/v1/jobs/{job.id}/logs").json()["data"]
    assert [(line["attempt"], line["message"]) for line in lines] == [(1, "first go"), (2, "second go")]
    assert [line["attempt"] for line in api.get(f"/v1/jobs/{job.id}/logs?attempt=2").json()["data"]] == [2]


@pytest.mark.parametrize("path", ["events", "logs", "metrics", "artifacts", "artifacts/x"])
def test_a_job_that_is_not_there_has_no_story(
    api: TestClient, problem: Callable[..., dict[str, Any]], path: str
) -> None:
    problem(api.get(f"/v1/jobs/job_01/{path}"), 404, "JOB_NOT_FOUND")


def test_the_stream_tells_all_and_ends_with_the_job(
    served: httpx.Client, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    lease = work(job)
    write(leases.record, lease, logs=said("before"))

    def go_on() -> None:
        write(leases.record, lease, phase="training", logs=said("while"))
        time.sleep(0.5)
        write(leases.succeed, lease, {})

    threading.Timer(0.6, go_on).start()
    found = listen(served, job)
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    told = [
        (kind, data["data"].get("state") or data["data"].get("message") or data["data"].get("phase"))
        for _, kind, data in found
    ]
    assert told == [
        ("state", "queued"),
        ("state", "running"),
        ("log", "before"),
        ("phase", "training"),
        ("log", "while"),
        ("state", "succeeded"),
    ]


def test_a_broken_stream_goes_on_where_it_broke(
    served: httpx.Client, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    lease = work(job)
    write(leases.record, lease, logs=said("a", "b", "c"))
    seen = listen(served, job, stop=lambda event: event[2]["data"].get("message") == "b")
    write(leases.record, lease, logs=said("d"))
    write(leases.succeed, lease, {})
    rest = listen(served, job, headers={"Last-Event-ID": str(seen[-1][0])})
    numbers = [number for number, _, _ in seen + rest]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [data["data"].get("message") for _, _, data in rest[:2]] == ["c", "d"]
    # a browser that connects once more is told to stop
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(numbers[-1])}
    assert served.get(f"/v1/jobs/{job.id}/events", headers=headers).status_code == 204


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_many_listeners_share_one_reading(
    served: httpx.Client,
    put: Callable[..., Job],
    work: Callable[[Job], Lease],
    write: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thirty listeners, who joined at different places, hear all, while the events of the job are read once for all."""
    job = put()
    lease = work(job)
    monkeypatch.setattr(change_feed, "KEPT", 40)  # so that the buffer is outrun and the database asked
    readings = []
    read = queries.events

    def counted(session: Any, job_id: Any, **named: Any) -> Any:
        readings.append(named["after_seq"])
        return read(session, job_id, **named)

    monkeypatch.setattr(queries, "events", counted)
    heard = [[] for _ in range(30)]

    def join(number: Any) -> None:
        heard[number] = listen(served, job)

    threads = [threading.Thread(target=join, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    for burst in range(5):
        write(leases.record, lease, logs=said(*(f"{burst}.{line}" for line in range(20))))
        time.sleep(0.3)
    write(leases.succeed, lease, {})
    for thread in threads:
        thread.join(timeout=20)
    expected = list(range(1, 2 + 100 + 1 + 1))
    assert all([number for number, _, _ in one] == expected for one in heard)
    # one reading a burst, and at most a few for those who joined behind the tail
    assert len(readings) < 30


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_silent_stream_beats(served: httpx.Client, put: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.sse.HEARTBEAT_SECONDS", 0.2)
    job = put()
    headers = {"Accept": "text/event-stream"}
    with served.stream("GET", f"/v1/jobs/{job.id}/events", headers=headers) as answer:
        lines = answer.iter_lines()
        assert any(line.startswith(": ") for _, line in zip(range(20), lines, strict=False))


def test_metrics_by_name_and_step(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    points = [MetricPoint(name, step, step / 10, NOW) for name in ("val/top1", "train/loss") for step in range(5)]
    write(leases.record, work(job), metrics=[*points, MetricPoint("train/loss", 5, math.nan, NOW)])
    series = {one["name"]: one["points"] for one in api.get(f"/v1/jobs/{job.id}/metrics").json()["data"]}
    assert series["val/top1"][1] == [1, 0.1, "2026-11-21T12:00:00Z"]
    assert series["train/loss"][-1][:2] == [5, None]
    some = api.get(f"/v1/jobs/{job.id}/metrics?name=val/top1&since_step=2").json()["data"]
    assert [(one["name"], [point[0] for point in one["points"]]) for one in some] == [("val/top1", [3, 4])]


def test_thinned_metrics_keep_the_ends_and_the_extremes(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    values = [random.Random(step).random() for step in range(1000)]
    values[377], values[611] = 50.0, -50.0
    points = [MetricPoint("train/loss", step, value, NOW) for step, value in enumerate(values)]
    write(leases.record, work(job), metrics=points)
    shown = api.get(f"/v1/jobs/{job.id}/metrics?max_points=50").json()["data"][0]["points"]
    steps = [point[0] for point in shown]
    assert len(steps) <= 50
    assert steps == sorted(set(steps))
    assert {0, 377, 611, 999} <= set(steps)


@pytest.mark.parametrize("num_points", [0, 1, 2, 3, 10, 11])
@pytest.mark.parametrize("max_points", [2, 3, 5, 10])
def test_thinning_never_gives_too_many(num_points: int, max_points: int) -> None:
    points = [Point(step, None if step % 3 == 0 else float(step), NOW) for step in range(num_points)]
    kept = thin(points, max_points)
    assert len(kept) <= max_points
    assert kept[:1] == points[:1]
    assert kept[-1:] == points[-1:]


def test_other_events_pass_through(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    write(leases.record, work(job), events=[NewEvent("warning", {"text": "line\nbreak </script>"})])
    last = api.get(f"/v1/jobs/{job.id}/events").json()["data"][-1]
    assert last["data"] == {"text": "line\nbreak </script>"}


def test_the_stream_needs_a_job(served: httpx.Client) -> None:
    answer = served.get("/v1/jobs/nope/events", headers={"Accept": "text/event-stream"})
    assert answer.status_code == 404
