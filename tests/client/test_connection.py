"""What the client does when connections break, servers are busy, and problems come back."""

import json
import time
from typing import Any

import pytest
from scripted import Answer, Scripted

from retort import Invalid, Refused, Retort, ServerFailed, Unreachable

JOB = {"id": "job_1", "state": "queued", "done": False, "phase": None, "progress": None}


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def problem(status: int, code: str, detail: str, errors: Any = ()) -> Answer:
    places = [{"pointer": pointer, "detail": text} for pointer, text in errors]
    return as_json({"code": code, "detail": detail, "errors": places, "status": status}, status)


def test_a_submit_whose_answer_was_lost_is_sent_again_with_the_same_key(server: Scripted) -> None:
    server.script = [Answer(cut=0), Answer(201, b"x" * 100, cut=10), as_json(JOB, 201)]
    assert Retort(server.url).submit(dataset="builtin:digits", student="nano").id == "job_1"
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert json.loads(server.requests[0].body) == {"dataset": "builtin:digits", "student": "nano"}


def test_two_submits_are_two_jobs(server: Scripted) -> None:
    server.script = [as_json(JOB, 201)]
    retort = Retort(server.url)
    retort.submit(student="nano")
    retort.submit(student="nano")
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 2


def test_keywords_win_over_the_spec_and_the_callers_key_is_used(server: Scripted) -> None:
    server.script = [as_json(JOB, 201)]
    Retort(server.url).submit({"student": "nano", "name": "a"}, student="tiny", idempotency_key="mine")
    assert json.loads(server.requests[0].body) == {"student": "tiny", "name": "a"}
    assert server.requests[0].headers["idempotency-key"] == "mine"


def test_a_cancel_whose_answer_was_lost_is_not_sent_again(server: Scripted) -> None:
    server.script = [as_json(JOB), Answer(cut=0)]
    job = Retort(server.url).job("job_1")
    with pytest.raises(Unreachable):
        job.cancel()
    assert [request.method for request in server.requests] == ["GET", "POST"]


def test_a_busy_server_is_asked_again_when_it_says(server: Scripted) -> None:
    server.script = [problem(503, "STARTING", "not yet"), as_json(JOB, 503, **{"Retry-After": "1"}), as_json(JOB)]
    began = time.monotonic()
    assert Retort(server.url).job("job_1").id == "job_1"
    assert time.monotonic() - began >= 1.0


def test_a_server_that_stays_busy_ends_the_patience(server: Scripted) -> None:
    server.script = [problem(503, "STARTING", "the database is locked")]
    with pytest.raises(ServerFailed, match=r"the database is locked \[STARTING\]"):
        Retort(server.url, patience_seconds=0.5).job("job_1")
    assert len(server.requests) > 1


def test_the_proxies_of_the_environment_are_not_for_this_machine(
    server: Scripted, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.script = [as_json(JOB)]
    assert Retort(server.url, patience_seconds=0).job("job_1").id == "job_1"
    assert Retort(server.url.replace("127.0.0.1", "localhost"), patience_seconds=0).job("job_1").id == "job_1"
    with pytest.raises(Unreachable):
        Retort("http://retort.example", patience_seconds=0).job("job_1")


def test_nobody_at_the_address_is_one_sentence(closed_port: int) -> None:
    with pytest.raises(Unreachable, match=f"no Retort service answers at http://127.0.0.1:{closed_port}"):
        Retort(f"http://127.0.0.1:{closed_port}", patience_seconds=0).job("job_1")


def test_an_invalid_spec_names_every_place(server: Scripted) -> None:
    detail = "2 places are wrong"
    errors = [("/method/temprature", "unknown field"), ("/student", "is required")]
    server.script = [problem(422, "SPEC_INVALID", detail, errors)]
    with pytest.raises(Invalid) as caught:
        Retort(server.url).submit(student="nano")
    assert caught.value.errors == errors
    assert str(caught.value).splitlines() == [
        "2 places are wrong [SPEC_INVALID]",
        "  /method/temprature: unknown field",
        "  /student: is required",
    ]
    assert len(server.requests) == 1


def test_a_refusal_carries_its_code(server: Scripted) -> None:
    server.script = [problem(404, "JOB_NOT_FOUND", "no job job_2")]
    with pytest.raises(Refused) as caught:
        Retort(server.url).job("job_2")
    assert (caught.value.status, caught.value.code, str(caught.value)) == (
        404,
        "JOB_NOT_FOUND",
        "no job job_2 [JOB_NOT_FOUND]",
    )


def test_a_failure_that_is_no_problem_json_is_told_by_its_status(server: Scripted) -> None:
    server.script = [Answer(500, b"<html>oops</html>")]
    with pytest.raises(ServerFailed, match="the server answered 500"):
        Retort(server.url).job("job_1")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "http://[::1", "http://a:b", "http://a\nb"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a service"):
        Retort(url, patience_seconds=0).job("job_1")


def test_jobs_come_over_several_pages(server: Scripted) -> None:
    pages = [
        {"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "next_cursor": "c1"},
        {"data": [{"id": "c"}], "has_more": False, "next_cursor": None},
    ]
    server.script = [as_json(page) for page in pages]
    found = list(Retort(server.url).jobs(states=["failed", "queued"], labels={"team": "a b"}))
    assert [job["id"] for job in found] == ["a", "b", "c"]
    assert "state=failed&state=queued" in server.requests[0].path
    assert "label=team%3Da+b" in server.requests[0].path or "label=team%3Da%20b" in server.requests[0].path
    assert "after=c1" in server.requests[1].path


def test_no_page_is_read_beyond_the_most(server: Scripted) -> None:
    server.script = [as_json({"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "next_cursor": "c1"})]
    assert [job["id"] for job in Retort(server.url).jobs(limit=2)] == ["a", "b"]
    assert len(server.requests) == 1


def test_a_plan_that_takes_longer_is_waited_for_and_cleared_away(server: Scripted) -> None:
    planned = JOB | {"state": "succeeded", "done": True, "plan": {"steps": 7}}
    server.script = [as_json(JOB, 202), as_json(planned), Answer(204)]
    assert dict(Retort(server.url).plan(student="nano")) == {"steps": 7}
    asked = [(request.method, request.path) for request in server.requests]
    assert asked == [("POST", "/v1/jobs/plan"), ("GET", "/v1/jobs/job_1"), ("DELETE", "/v1/jobs/job_1")]
