"""Workers show themselves, fall silent, and leave; their catalogues stay."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from store import catalogues, jobs, queries, workers
from store.clock import from_now
from store.tables import jobs as jobs_table
from store.tables import workers as workers_table
from store.values import JobVersion
from tests.store.conftest import Bench

FACTS = {"host": "gpu-7", "pid": 4711, "devices": ["cuda:0", "cuda:1"], "version": "0.1.0", "slots": 2}


def silence(bench: Any, worker_id: Any, seconds: Any) -> None:
    with bench.database.begin() as session:
        one = update(workers_table).where(workers_table.c.id == worker_id)
        session.execute(one.values(last_seen_at=from_now(-seconds)))


def test_a_worker_announces_itself_again_and_again(bench: Bench) -> None:
    bench.do(workers.announce, "w1", **FACTS)
    silence(bench, "w1", 30)
    bench.do(workers.announce, "w1", **FACTS | {"slots": 3}, guards={"own_user": True, "memory_limit": False})
    [shown] = bench.read(workers.list_workers)
    assert (shown.id, shown.host, shown.pid, shown.devices) == ("w1", "gpu-7", 4711, ("cuda:0", "cuda:1"))
    assert (shown.slots, shown.alive) == (3, True)
    assert shown.guards == {"own_user": True, "memory_limit": False}
    assert shown.last_seen_at - bench.database.now() < timedelta(seconds=5)


def test_the_silent_are_shown_and_not_counted(bench: Bench) -> None:
    for worker_id in ("w1", "w2", "w3"):
        bench.do(workers.announce, worker_id, **FACTS)
    silence(bench, "w1", 61)
    silence(bench, "w2", 59)
    assert {worker.id: worker.alive for worker in bench.read(workers.list_workers)} == {
        "w1": False, "w2": True, "w3": True,
    }  # fmt: skip
    assert bench.read(workers.count_alive) == 2
    bench.do(workers.withdraw, "w2")
    assert bench.read(workers.count_alive) == 1


def test_the_last_catalogue_stands(bench: Bench) -> None:
    assert bench.read(catalogues.catalogue, "students").data == catalogues.shipped()["students"]
    assert bench.read(catalogues.catalogue, "version") is None
    bench.do(catalogues.publish_catalogue, "students", {"students": [{"name": "nano", "num_params": 78_042}]})
    bench.do(catalogues.publish_catalogue, "teachers", [])
    bench.do(catalogues.publish_catalogue, "students", {"students": []})
    found = bench.read(catalogues.catalogue, "students")
    assert (found.kind, found.data) == ("students", {"students": []})
    assert bench.read(catalogues.catalogue, "teachers").data == []


def test_a_glance_shows_how_far_jobs_have_come(bench: Bench) -> None:
    waiting = bench.submit().id
    lease = bench.running()
    assert bench.read(queries.job_versions, [waiting, lease.job_id, "job_NOPE"]) == {
        waiting: JobVersion(1, 1, False), lease.job_id: JobVersion(2, 2, False),
    }  # fmt: skip


def test_the_age_of_the_queue_is_that_of_its_oldest_job(bench: Bench) -> None:
    assert bench.read(queries.oldest_queued_seconds) == 0.0
    old = bench.submit().id
    bench.submit()
    with bench.database.begin() as session:
        session.execute(update(jobs_table).where(jobs_table.c.id == old).values(created_at=from_now(-90)))
    assert bench.read(queries.oldest_queued_seconds) == pytest.approx(90, abs=5)


def test_a_worker_says_what_it_does(bench: Bench) -> None:
    def states() -> list[Any]:
        return [(worker.id, worker.state, list(worker.jobs)) for worker in bench.read(workers.list_workers)]

    announced = {"host": "h", "pid": 1, "devices": ["cpu"], "version": "1", "slots": 2}
    for name in ("a", "b"):
        bench.do(workers.announce, name, **announced)
    held = sorted(bench.claim(bench.submit().id, owner="a").job_id for _ in range(2))
    bench.do(jobs.request_cancel, held[0])
    assert states() == [("a", "busy", held), ("b", "idle", [])]
    bench.do(workers.announce, "a", **announced, draining=True)
    assert states()[0] == ("a", "draining", held)
    assert [one.state for one in bench.read(workers.list_workers, fresh_seconds=0.0)] == ["silent"] * 2
