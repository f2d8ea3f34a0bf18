"""The queue: who wants a message, which job a worker claims next, and that a long queue is not read as a whole."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from core.errors import EngineCrashed
from store import jobs, leases, queue, queue_places, reaper
from store.callers import Caller
from store.clock import from_now
from store.queue_table import queue as rows
from store.tables import jobs as jobs_table
from store.values import Lease, Ring
from tests.store.conftest import Bench


def unrung(bench: Bench) -> list[str]:
    return sorted(ring.job_id for ring in bench.read(queue.unrung, 99))


def test_the_urgent_first_then_the_oldest(bench: Bench) -> None:
    low, first, second, urgent = (bench.submit(priority=priority).id for priority in (-5, 0, 0, 9))
    assert bench.order() == [urgent, first, second, low]


def test_plans_and_jobs_are_apart(bench: Bench) -> None:
    job, plan = bench.submit().id, bench.submit(kind="plan").id
    assert (bench.order("job"), bench.order("plan")) == ([job], [plan])
    assert {ring.job_id: ring for ring in bench.read(queue.unrung, 9)} == {
        job: Ring(job, "job", "auto"), plan: Ring(plan, "plan", "auto")
    }  # fmt: skip
    assert (bench.read(queue.count, "job", 9), bench.read(queue.count, "job", 0)) == (1, 0)


def test_what_asks_for_gpus_waits_for_a_worker_that_has_them(bench: Bench) -> None:
    asked = ("auto", "cpu:2", "auto:2", "cuda", "cuda:2", "auto:99", "cuda:99")
    of_id = {bench.submit(training={"devices": devices}).id: devices for devices in asked}
    for num_gpus, fitting in (
        (0, {"auto", "cpu:2", "auto:2", "auto:99"}),
        (1, {"auto", "cpu:2", "cuda"}),
        (2, {"auto", "cpu:2", "cuda", "auto:2", "cuda:2"}),
        (99, set(asked)),
    ):
        found = bench.order(num_gpus=num_gpus)
        assert {of_id[job_id] for job_id in found} == fitting
        assert found == sorted(found)  # by age, across the devices
    assert len(bench.order()) == len(asked)


def test_a_message_is_wanted_once(bench: Bench) -> None:
    old, fresh = bench.submit().id, bench.submit().id
    assert unrung(bench) == [old, fresh]
    bench.do(queue.mark_rung, [old])
    assert unrung(bench) == [fresh]


def test_a_job_that_came_back_wants_one_again(bench: Bench) -> None:
    job_id = bench.submit().id
    bench.do(queue.mark_rung, [job_id])
    bench.do(leases.release, bench.claim(job_id))
    assert unrung(bench) == [job_id]


def test_what_waits_after_a_crash_is_neither_rung_nor_claimed(bench: Bench) -> None:
    job_id, other = bench.submit(priority=9).id, bench.submit().id
    for _ in range(2):
        bench.do(reaper.crashed, bench.claim(job_id), 9, EngineCrashed("fell"), 60.0)
    assert unrung(bench) == [other]
    assert bench.order() == [other]
    with bench.database.begin() as session:
        session.execute(update(rows).values(run_after=from_now(-1)))
        session.execute(update(jobs_table).values(run_after=from_now(-1)))
    assert unrung(bench) == [job_id, other]
    assert bench.order() == [job_id, other]


def test_a_new_priority_moves_a_job_in_the_queue(bench: Bench) -> None:
    first, second = bench.submit().id, bench.submit().id
    bench.do(queue.set_priority, second, 3)
    with bench.database.begin() as session:
        session.execute(update(jobs_table).where(jobs_table.c.id == second).values(priority=3))
    assert bench.order() == [second, first]


def test_many_claims_at_once_take_each_job_once(bench: Bench) -> None:
    callers = [Caller(name, name, "submit") for name in ("a", "b", "c")]
    ids = [bench.do(jobs.submit, bench.spec(), caller=callers[number % 3]).job.id for number in range(24)]

    def work(name: int) -> list[str]:
        mine = []
        while lease := bench.do(leases.claim_next, "job", owner=f"w{name}", lease_seconds=60):
            mine.append(lease.job_id)
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [job_id for found in pool.map(work, range(8)) for job_id in found]
    assert sorted(taken) == sorted(ids)


@pytest.mark.servers
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_worker_asleep_in_its_claim_keeps_nobody_waiting(bench: Bench) -> None:
    first, second = bench.submit().id, bench.submit().id
    with bench.database.begin() as asleep:
        assert leases.claim_next(asleep, "job", owner="asleep", lease_seconds=60).job_id == first  # type: ignore[union-attr]
        assert bench.do(leases.claim_next, "job", owner="awake", lease_seconds=60).job_id == second
        assert bench.do(leases.claim_next, "job", owner="awake", lease_seconds=60) is None


def test_limits_hold_against_claims_at_once(bench: Bench) -> None:
    for _ in range(6):
        bench.submit()

    def one(_: int) -> Lease | None:
        lease: Lease | None = bench.do(leases.claim_next, "job", owner="w", lease_seconds=60, max_running=2)
        return lease

    with ThreadPoolExecutor(6) as pool:
        assert sum(lease is not None for lease in pool.map(one, range(6))) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_question_to_the_queue_reads_all_of_it(bench: Bench) -> None:
    """SQLite says SCAN of a table that it reads from first to last, and SEARCH where an index leads to the rows."""
    job_id = bench.submit().id
    bench.do(jobs.submit, bench.spec(), caller=Caller("other", "o", "submit"))
    asked: list[tuple[str, Any]] = []
    event.listen(bench.database.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    bench.do(leases.claim_next, "job", owner="w", lease_seconds=60, num_gpus=1, max_running=9)
    bench.read(queue_places.positions, "job", "default", [job_id])
    bench.read(jobs.list_jobs, states=("queued", "failed"))
    plans = [
        row.detail
        for statement, values in asked
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE"))
        for row in bench.do(lambda session, s=statement, v=values: explain(session, s, v))
    ]
    assert len(plans) > 20
    of_tables = [plan for plan in plans if re.match(r"SCAN (queue|jobs|following|ahead|anon_\\d+\\.)\\b", plan)]
    assert of_tables == []
    # Which columns the index decides: fewer would read on through jobs that are alike in them.
    decided = {plan.partition("(")[2] for plan in plans if plan.startswith(("SEARCH following", "SEARCH ahead"))}
    assert {"kind=? AND devices=? AND tenant=? AND key_id>?)", "kind=? AND devices=? AND tenant>?)"} <= decided
    assert "kind=? AND tenant=? AND precedence=? AND job_id<?)" in decided


def explain(session: Session, statement: str, values: Any) -> list[Any]:
    return list(session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all())
