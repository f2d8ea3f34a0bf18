"""Two tenants on one service: neither sees, counts, repeats, uses or waits for what belongs to the other."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from store.values import Job

Key = Callable[..., dict[str, str]]


@pytest.fixture
def ours(new_key: Key) -> dict[str, str]:
    return new_key("submit", tenant="retail")


@pytest.fixture
def theirs(new_key: Key) -> dict[str, str]:
    return new_key("submit", tenant="wholesale")


def submit(client: TestClient, key: dict[str, str], body: dict[str, Any], **headers: str) -> Any:
    return client.post("/v1/jobs", json=body, headers=key | headers)


def test_lists_hold_the_own_jobs(
    stranger: TestClient, ours: dict[str, str], theirs: dict[str, str], smallest: dict[str, Any]
) -> None:
    mine = [submit(stranger, ours, {**smallest, "labels": {"team": "a"}}).json()["id"] for _ in range(2)]
    yours = submit(stranger, theirs, {**smallest, "labels": {"team": "a"}}).json()["id"]
    for query in ("", "?state=queued", "?label=team=a", "?limit=1"):
        found = stranger.get(f"/v1/jobs{query}", headers=theirs).json()["data"]
        assert [job["id"] for job in found] == [yours]
    assert stranger.get(f"/v1/jobs?after={mine[0]}", headers=theirs).json()["data"] == []


def test_an_idempotency_key_is_each_tenants_own(
    stranger: TestClient, ours: dict[str, str], theirs: dict[str, str], smallest: dict[str, Any]
) -> None:
    first = submit(stranger, ours, smallest, **{"Idempotency-Key": "k"})
    second = submit(stranger, theirs, {**smallest, "name": "other"}, **{"Idempotency-Key": "k"})
    again = submit(stranger, ours, smallest, **{"Idempotency-Key": "k"})
    assert (first.status_code, second.status_code, again.status_code) == (201, 201, 200)
    assert again.json()["id"] == first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("field", ["teacher", "more_teachers", "student"])
def test_another_tenants_job_is_no_teacher(
    stranger: TestClient, theirs: dict[str, str], put: Callable[..., Job], smallest: dict[str, Any], field: str
) -> None:
    foreign = put().id
    network = {"architecture": "cifar/resnet56", "weights": f"job:{foreign}"}
    value = [network] if field == "more_teachers" else network
    method = {"method": "simkd"} if field == "more_teachers" else {}
    answer = submit(stranger, theirs, {**smallest, field: value, **method})
    assert answer.status_code == 422
    assert f"no job has the id '{foreign}'" in answer.text


def test_figures_count_the_own_jobs_and_an_administrators_all(
    stranger: TestClient, ours: dict[str, str], theirs: dict[str, str], new_key: Key, smallest: dict[str, Any]
) -> None:
    submit(stranger, ours, smallest)
    seen = {
        "ours": stranger.get("/metrics", headers=ours).text,
        "theirs": stranger.get("/metrics", headers=theirs).text,
        "all": stranger.get("/metrics", headers=new_key("admin", tenant="wholesale")).text,
    }
    assert 'retort_jobs{state="queued"} 1.0' in seen["ours"]
    assert 'retort_jobs{state="queued"} 0.0' in seen["theirs"]
    assert "retort_queue_oldest_seconds 0.0" in seen["theirs"]
    assert "retort_http_requests" not in seen["theirs"]
    assert 'retort_jobs{state="queued"} 1.0' in seen["all"] and "retort_http_requests" in seen["all"]


def test_a_plan_belongs_to_its_tenant(
    stranger: TestClient, ours: dict[str, str], theirs: dict[str, str], smallest: dict[str, Any]
) -> None:
    planned = stranger.post("/v1/jobs/plan", json=smallest, headers={**ours, "Prefer": "wait=0"})
    assert planned.status_code == 202
    assert stranger.get(planned.headers["location"], headers=theirs).status_code == 404
    assert stranger.get(planned.headers["location"], headers=ours).status_code == 200


def test_a_stream_of_another_tenants_job_is_a_404(
    stranger: TestClient, theirs: dict[str, str], put: Callable[..., Job]
) -> None:
    headers = {**theirs, "Accept": "text/event-stream"}
    assert stranger.get(f"/v1/jobs/{put().id}/events", headers=headers).status_code == 404
