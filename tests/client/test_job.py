"""Waiting, events and curves of a job, against a server that stutters."""

import json
import time
from typing import Any

import pytest
from scripted import Answer, Request, Scripted

from retort import Job, JobCancelled, JobFailed, Retort, WaitTimeout


def view(state: str, **more: Any) -> dict[str, Any]:
    done = state in ("succeeded", "failed", "cancelled")
    return {"id": "job_1", "state": state, "done": done, "phase": None, "progress": None, "error": None, **more}


def as_json(value: Any, etag: str = '"1"') -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json", "ETag": etag})


def job_of(server: Scripted) -> Job:
    return Retort(server.url).job("job_1")


def test_waiting_asks_with_the_etag_and_lets_the_server_hold_the_answer(server: Scripted) -> None:
    server.script = [as_json(view("queued")), Answer(304), as_json(view("running"), '"2"'), as_json(view("succeeded"))]
    seen = []
    assert job_of(server).wait(on_progress=lambda job: seen.append(job["state"]))["state"] == "succeeded"
    assert seen == ["queued", "running", "succeeded"]
    assert [request.headers.get("if-none-match") for request in server.requests] == [None, '"1"', '"1"', '"2"']
    assert server.requests[1].headers["prefer"] == "wait=20"


def test_a_server_that_answers_at_once_is_not_asked_in_a_circle(server: Scripted) -> None:
    server.script = [as_json(view("queued")), Answer(304)]
    with pytest.raises(WaitTimeout, match="job_1 is queued after 1 s; it goes on"):
        job_of(server).wait(timeout_seconds=1)
    assert len(server.requests) <= 7


def test_waiting_outlasts_a_restart(server: Scripted) -> None:
    server.script = [as_json(view("running")), Answer(cut=0), Answer(cut=0), as_json(view("succeeded"))]
    assert job_of(server).wait()["done"]


def test_a_failed_job_says_why(server: Scripted) -> None:
    error = {"code": "DATASET_INVALID", "message": "no images in x.zip", "hint": "Look inside."}
    server.script = [as_json(view("running")), as_json(view("failed", error=error))]
    with pytest.raises(JobFailed) as caught:
        job_of(server).wait()
    assert caught.value.message == "job_1 failed: no images in x.zip [DATASET_INVALID]"
    assert str(caught.value).splitlines() == [caught.value.message, "hint: Look inside."]


def test_a_cancelled_job_is_an_error_of_its_own(server: Scripted) -> None:
    server.script = [as_json(view("cancelled"))]
    with pytest.raises(JobCancelled):
        job_of(server).wait()


def sse(*events: Any, ping: bool = True) -> bytes:
    text = ": ping\n\n" if ping else ""
    text += "".join(f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n" for number, kind, data in events)
    return text.encode()


def test_events_go_on_after_the_last_one_when_the_connection_breaks(server: Scripted) -> None:
    whole = sse((1, "state", {"state": "running"}), (2, "phase", {"phase": "training"}))
    torn = whole + b'id: 3\nevent: phase\ndata: {"phase": "eval'
    stream = {"Content-Type": "text/event-stream"}
    server.script = [
        as_json(view("running")),
        Answer(200, torn + b" " * 50, stream, cut=len(torn)),
        Answer(200, sse((3, "phase", {"phase": "evaluating"}), (4, "state", {"state": "succeeded"})), stream),
        as_json(view("succeeded")),
    ]
    events = list(job_of(server).events())
    assert [(event.id, event.type) for event in events] == [
        ("1", "state"),
        ("2", "phase"),
        ("3", "phase"),
        ("4", "state"),
    ]
    assert events[2].data == {"phase": "evaluating"}
    assert [request.headers.get("last-event-id") for request in server.requests[1:3]] == [None, "2"]


def test_events_go_on_when_the_server_ends_the_stream_of_a_running_job(server: Scripted) -> None:
    stream = {"Content-Type": "text/event-stream"}
    server.script = [
        as_json(view("running")),
        Answer(200, sse((1, "log", "a")), stream),
        as_json(view("running")),
        Answer(200, sse((2, "log", "b")), stream),
        as_json(view("succeeded")),
    ]
    assert [event.data for event in job_of(server).events()] == ["a", "b"]


def test_data_over_several_lines_is_one_event(server: Scripted) -> None:
    body = b'id: 1\ndata: {"a":\ndata:1}\n\n'
    server.script = [as_json(view("succeeded")), Answer(200, body), as_json(view("succeeded"))]
    (event,) = job_of(server).events()
    assert (event.type, event.data) == ("message", {"a": 1})


def test_curves_come_by_name(server: Scripted) -> None:
    data = {
        "data": [{"name": "val/top1", "points": [[1, 0.5, "2026-01-01T00:00:00Z"], [2, None, "2026-01-01T00:00:01Z"]]}]
    }
    server.script = [as_json(view("running")), as_json(data)]
    curves = job_of(server).metrics(["val/top1"], since_step=0, max_points=10)
    assert curves == {"val/top1": [(1, 0.5, "2026-01-01T00:00:00Z"), (2, None, "2026-01-01T00:00:01Z")]}
    assert server.requests[1].path == "/v1/jobs/job_1/metrics?name=val%2Ftop1&since_step=0&max_points=10"


def test_waiting_asks_the_service_to_hold_its_answer_no_longer_than_the_deadline(server: Scripted) -> None:
    def slowly(request: Request) -> Answer:
        time.sleep(0.2)
        return Answer(304)

    server.script = [as_json(view("running")), slowly]
    with pytest.raises(WaitTimeout):
        job_of(server).wait(timeout_seconds=0.5)
    held = [request.headers["prefer"] for request in server.requests[1:]]
    assert held and set(held) == {"wait=1"}  # the service counts whole seconds
