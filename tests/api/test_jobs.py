"""Looking at jobs and moving them."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from store import jobs, leases
from store.values import Job, JobWarning, Lease


def page(api: Any, **query: Any) -> Any:
    return api.get("/v1/jobs", params=query).json()


def test_paging_is_not_shifted_by_new_jobs(api: TestClient, put: Callable[..., Job]) -> None:
    old = [put(name=f"job {number}").id for number in range(5)]
    first = page(api, limit=2)
    put(name="in between")
    second = page(api, limit=2, after=first["next_cursor"])
    third = page(api, limit=2, after=second["next_cursor"])
    seen = [job["id"] for part in (first, second, third) for job in part["data"]]
    assert seen == old[::-1]
    assert (first["has_more"], third["has_more"], third["next_cursor"]) == (True, False, None)


def test_jobs_are_filtered_by_state_and_label(
    api: TestClient, put: Callable[..., Job], write: Callable[..., Any]
) -> None:
    a = put(labels={"team": "retail", "x": "1"})
    b = put(labels={"team": "retail"})
    put(labels={"team": "cars"})
    write(jobs.request_cancel, b.id)
    assert {job["id"] for job in page(api, label="team=retail")["data"]} == {a.id, b.id}
    assert [job["id"] for job in page(api, label=["team=retail", "x=1"])["data"]] == [a.id]
    assert [job["id"] for job in page(api, label="team=retail", state="cancelled")["data"]] == [b.id]
    assert len(page(api, state=["queued", "cancelled"])["data"]) == 3
    assert page(api, label="team=none")["data"] == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=201", "/query/limit"),
        ("limit=many", "/query/limit"),
        ("state=done", "/query/state/0"),
        ("label=team", "/query/label/0"),
        ("label==x", "/query/label/0"),
        ("limt=3", "/query/limt"),
    ],
)
def test_a_wrong_parameter_is_named(
    api: TestClient, problem: Callable[..., dict[str, Any]], query: str, pointer: str
) -> None:
    document = problem(api.get(f"/v1/jobs?{query}"), 422, "PARAMETER_INVALID")
    assert document["errors"][0]["pointer"] == pointer


def test_a_page_that_has_not_changed_is_304(api: TestClient, put: Callable[..., Job]) -> None:
    put()
    etag = api.get("/v1/jobs").headers["etag"]
    assert api.get("/v1/jobs", headers={"If-None-Match": etag}).status_code == 304
    put()
    assert api.get("/v1/jobs", headers={"If-None-Match": etag}).status_code == 200


def test_lists_leave_out_what_is_bulky(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    measured = {"top1": 0.9, "confusion": [[1, 0], [0, 1]], "per_class": {"a": {}}}
    write(leases.succeed, work(job), {"metrics": {"test": measured}, "baselines": {}})
    assert page(api)["data"][0]["result"]["metrics"]["test"] == {"top1": 0.9}
    assert api.get(f"/v1/jobs/{job.id}").json()["result"]["metrics"]["test"] == measured


def test_a_job_tells_its_story(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    lease = work(job)
    write(leases.record, lease, phase="training", progress={"fraction": 0.5, "epoch": 3, "epochs": 6})
    running = api.get(f"/v1/jobs/{job.id}").json()
    assert (running["state"], running["phase"], running["queue"]) == ("running", "training", None)
    assert running["progress"]["fraction"] == 0.5
    assert [attempt["worker"] for attempt in running["attempts"]] == ["worker-1"]
    write(leases.fail, lease, {"code": "DATASET_INVALID", "category": "user", "message": "no images", "hint": ""})
    failed = api.get(f"/v1/jobs/{job.id}").json()
    assert (failed["state"], failed["done"], failed["error"]["code"]) == ("failed", True, "DATASET_INVALID")


def test_the_etag_changes_with_the_job(api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease]) -> None:
    job = put()
    first = api.get(f"/v1/jobs/{job.id}")
    same = api.get(f"/v1/jobs/{job.id}", headers={"If-None-Match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert not first.headers["etag"].startswith("W/")
    work(job)
    changed = api.get(f"/v1/jobs/{job.id}", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_the_etag_covers_the_place_in_the_queue(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease]
) -> None:
    first, second = put(), put()
    before = api.get(f"/v1/jobs/{second.id}")
    work(first)
    after = api.get(f"/v1/jobs/{second.id}", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert (before.json()["queue"]["position"], after.json()["queue"]["position"]) == (2, 1)


def test_cancel_a_queued_job(api: TestClient, problem: Callable[..., dict[str, Any]], put: Callable[..., Job]) -> None:
    job = put()
    response = api.post(f"/v1/jobs/{job.id}/cancel")
    assert response.status_code == 202
    assert (response.json()["state"], response.json()["done"]) == ("cancelled", True)
    assert "cancelled" in problem(api.post(f"/v1/jobs/{job.id}/cancel"), 409, "ILLEGAL_MOVE")["detail"]


def test_cancel_a_running_job_twice(api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease]) -> None:
    job = put()
    work(job)
    assert [api.post(f"/v1/jobs/{job.id}/cancel").json()["state"] for _ in range(2)] == ["cancelling"] * 2


def test_pause_and_resume_a_queued_job(
    api: TestClient, problem: Callable[..., dict[str, Any]], put: Callable[..., Job]
) -> None:
    job = put()
    assert "queued" in problem(api.post(f"/v1/jobs/{job.id}/resume"), 409, "ILLEGAL_MOVE")["detail"]
    answer = api.post(f"/v1/jobs/{job.id}/pause")
    assert (answer.status_code, answer.json()["state"], answer.json()["done"]) == (202, "paused", False)
    assert api.get("/v1/jobs", params={"state": "paused"}).json()["data"][0]["id"] == job.id
    answer = api.post(f"/v1/jobs/{job.id}/resume")
    assert (answer.status_code, answer.json()["state"], answer.json()["queue"]["position"]) == (202, "queued", 1)
    api.post(f"/v1/jobs/{job.id}/cancel")
    assert "cancelled" in problem(api.post(f"/v1/jobs/{job.id}/pause"), 409, "ILLEGAL_MOVE")["detail"]


def test_pause_a_running_job_twice(api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease]) -> None:
    job = put()
    work(job)
    assert [api.post(f"/v1/jobs/{job.id}/pause").json()["state"] for _ in range(2)] == ["pausing"] * 2


def test_retry(api: TestClient, problem: Callable[..., dict[str, Any]], put: Callable[..., Job]) -> None:
    job = put()
    problem(api.post(f"/v1/jobs/{job.id}/retry"), 409, "ILLEGAL_MOVE")
    api.post(f"/v1/jobs/{job.id}/cancel")
    response = api.post(f"/v1/jobs/{job.id}/retry")
    assert (response.status_code, response.json()["state"]) == (202, "queued")


def test_delete(api: TestClient, problem: Callable[..., dict[str, Any]], put: Callable[..., Job]) -> None:
    job = put()
    assert "cancel it first" in problem(api.delete(f"/v1/jobs/{job.id}"), 409, "ILLEGAL_MOVE")["detail"]
    api.post(f"/v1/jobs/{job.id}/cancel")
    assert api.delete(f"/v1/jobs/{job.id}").status_code == 204
    problem(api.get(f"/v1/jobs/{job.id}"), 404, "JOB_NOT_FOUND")
    problem(api.delete(f"/v1/jobs/{job.id}"), 404, "JOB_NOT_FOUND")


def test_an_idle_server_polls_nothing(api: TestClient, put: Callable[..., Job]) -> None:
    job = put()
    api.get(f"/v1/jobs/{job.id}", headers={"Prefer": "wait=1"})
    feed = api.app.state.change_feed
    time.sleep(0.5)
    assert feed.idle
    assert feed._poller.done()


def test_warnings_are_in_the_job_its_list_and_its_events(
    api: TestClient, put: Callable[..., Job], work: Callable[[Job], Lease], write: Callable[..., Any]
) -> None:
    job = put()
    assert api.get(f"/v1/jobs/{job.id}").json()["warnings"] == []
    etag = api.get(f"/v1/jobs/{job.id}").headers["ETag"]
    write(leases.record, work(job), warnings=[JobWarning("CLASSES_IMBALANCED", "cup: 9, bottle: 900", "add cups")])
    shown = {"code": "CLASSES_IMBALANCED", "message": "cup: 9, bottle: 900", "hint": "add cups", "count": None}
    assert api.get(f"/v1/jobs/{job.id}", headers={"If-None-Match": etag}).json()["warnings"] == [shown]
    assert api.get("/v1/jobs").json()["data"][0]["warnings"] == [shown]
    events = api.get(f"/v1/jobs/{job.id}/events").json()["data"]
    assert [event["data"]["warning"] for event in events if event["kind"] == "warning"] == [shown]


def test_more_labels_than_a_query_takes_are_refused(api: TestClient, problem: Callable[..., dict[str, Any]]) -> None:
    labels = [("label", f"k{number}=v") for number in range(160)]
    problem(api.get("/v1/jobs", params=labels), 422, "PARAMETER_INVALID")
    assert api.get("/v1/jobs", params=labels[:16]).status_code == 200


def test_change_a_job(api: TestClient, problem: Callable[..., dict[str, Any]], put: Callable[..., Job]) -> None:
    path = f"/v1/jobs/{put(labels={'draft': 'yes'}).id}"
    merge_patch = {"Content-Type": "application/merge-patch+json"}
    answer = api.patch(path, content=b'{"priority": 7, "labels": {"draft": null}}', headers=merge_patch)
    assert (answer.status_code, answer.json()["priority"], answer.json()["labels"]) == (200, 7, {})
    assert api.get(path).json() == answer.json() and api.get(path).headers["etag"] == answer.headers["etag"]
    wrong = problem(api.patch(path, json={"prioritty": 1}), 422, "SPEC_INVALID")
    assert wrong["errors"][0]["pointer"] == "/prioritty" and "priority" in wrong["errors"][0]["detail"]
    problem(api.patch("/v1/jobs/job_nope", json={"name": "x"}), 404, "JOB_NOT_FOUND")
    api.post(f"{path}/cancel")
    problem(api.patch(path, json={"priority": 1}), 409, "ILLEGAL_MOVE")


def test_change_only_what_the_client_has_seen(
    api: TestClient, problem: Callable[..., dict[str, Any]], put: Callable[..., Job]
) -> None:
    other, path = put(), f"/v1/jobs/{put().id}"
    seen = api.get(path).headers["etag"]
    api.post(f"/v1/jobs/{other.id}/cancel")  # the job's place in the queue is another now, the job is not
    assert api.get(path).headers["etag"] != seen
    assert api.patch(path, json={"name": "b"}, headers={"If-Match": seen}).status_code == 200
    for header in (seen, f"W/{seen}", '"nonsense"', "", '"999999999999999999999999-x"'):
        problem(api.patch(path, json={"name": "c"}, headers={"If-Match": header}), 412, "PRECONDITION_FAILED")
    now = api.get(path).headers["etag"]
    assert api.patch(path, json={"name": "d"}, headers={"If-Match": f"{seen}, {now}"}).status_code == 200
    assert api.patch(path, json={"name": "e"}, headers={"If-Match": "*"}).status_code == 200
