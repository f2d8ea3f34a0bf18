"""POST /v1/jobs/plan: the answer comes from a worker, played here by a thread."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from store import leases, queue
from store.database import Database
from store.tables import jobs as jobs_table
from store.values import JobWarning

STUDENT = {
    "architecture": "cifar/resnet8",
    "num_params": 78_000,
    "macs": 12_000_000,
    "bytes": 312_000,
    "input_size": 32,
    "num_classes": 3,
}
RESOLVED = {
    "spec": {"dataset": {"uri": "builtin:digits"}, "student": {"size": "nano"}},
    "dataset": {"classes": ["a", "b"]},
    "student": STUDENT,
    "teacher": None,
    "teacher_validation_top1": None,
    "estimate": {"steps": 10},
}


@pytest.fixture
def worker(database: Database, write: Callable[..., Any]) -> Iterator[Any]:
    """Ends the plan that comes, as told."""
    stop = threading.Event()

    def work(end: Any) -> None:
        from sqlalchemy import select

        while not stop.wait(0.05):
            with database.read() as session:
                row = session.execute(select(jobs_table.c.id).where(jobs_table.c.state == "queued")).first()
            if row:
                lease = write(leases.claim, row.id, owner="w", lease_seconds=60)
                assert lease.kind == "plan"
                end(lease)
                return

    threads = []

    def start(end: Any) -> None:
        threads.append(threading.Thread(target=work, args=(end,)))
        threads[0].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def fail(write: Any, code: Any, category: Any) -> Callable[..., Any]:
    return lambda lease: write(leases.fail, lease, {"code": code, "category": category, "message": "no", "hint": "do"})


def test_the_plan_is_answered_and_forgotten(
    served: httpx.Client, worker: Any, write: Callable[..., Any], database: Database, smallest: dict[str, Any]
) -> None:
    def end(lease: Any) -> None:
        write(leases.record, lease, resolved=RESOLVED, warnings=[JobWarning("TEST_SPLIT_SMALL", "24 images", None, 24)])
        write(leases.succeed, lease, {})

    worker(end)
    answer = served.post("/v1/jobs/plan", json=smallest)
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    assert (plan["student"]["architecture"], plan["dataset"], plan["spec"]) == (
        "cifar/resnet8",
        RESOLVED["dataset"],
        RESOLVED["spec"],
    )
    assert plan["warnings"] == [{"code": "TEST_SPLIT_SMALL", "message": "24 images", "hint": None, "count": 24}]
    with database.read() as session:
        assert session.query(jobs_table).count() == 0


@pytest.mark.parametrize(("category", "status"), [("user", 422), ("infrastructure", 503), ("internal", 500)])
def test_what_the_engine_found_wrong_is_the_answer(
    served: httpx.Client,
    worker: Any,
    write: Callable[..., Any],
    problem: Callable[..., dict[str, Any]],
    smallest: dict[str, Any],
    category: str,
    status: int,
) -> None:
    worker(fail(write, "DATASET_INVALID", category))
    assert problem(served.post("/v1/jobs/plan", json=smallest), status, "DATASET_INVALID")["detail"] == "no do"


def test_a_plan_that_takes_long_is_202_with_where_to_poll(
    served: httpx.Client, database: Database, smallest: dict[str, Any], write: Callable[..., Any]
) -> None:
    started = time.monotonic()
    answer = served.post("/v1/jobs/plan", json=smallest, headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert 0.9 < time.monotonic() - started < 4
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert answer.headers["preference-applied"] == "wait=1"
    assert (job["kind"], job["queue"]["eligible_workers"]) == ("plan", 0)
    assert served.get("/v1/jobs").json()["data"] == []
    lease = write(leases.claim, job["id"], owner="w", lease_seconds=60)
    write(leases.record, lease, resolved=RESOLVED)
    write(leases.succeed, lease, {})
    done = served.get(answer.headers["location"]).json()
    assert done["plan"]["student"]["architecture"] == "cifar/resnet8"
    assert done["plan"]["spec"] == RESOLVED["spec"]


def test_a_wrong_plan_is_refused_at_the_door(
    api: TestClient, problem: Callable[..., dict[str, Any]], smallest: dict[str, Any]
) -> None:
    problem(api.post("/v1/jobs/plan", json={**smallest, "student": "smal"}), 422, "SPEC_INVALID")
    problem(api.post("/v1/jobs/plan", content=b"x"), 415, "CONTENT_TYPE_UNSUPPORTED")


def test_nothing_is_left_in_the_queue(
    served: httpx.Client, worker: Any, write: Callable[..., Any], database: Database, smallest: dict[str, Any]
) -> None:
    worker(fail(write, "X", "user"))
    served.post("/v1/jobs/plan", json=smallest)
    with database.read() as session:
        assert queue.is_empty(session)
