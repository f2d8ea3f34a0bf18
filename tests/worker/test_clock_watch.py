"""A jump of the database's clock, as after a suspended laptop wakes, fails no job whose worker lives."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from store import jobs, leases
from store.clock import from_now
from store.database import Database
from store.tables import jobs as jobs_table
from tests.worker.conftest import attempt
from worker.attempt import WorkerContext
from worker.clock_watch import ClockWatch
from worker.reaper import Reaper

DAY = 86_400.0


@pytest.fixture
def shift(database: Database) -> list[float]:
    """Seconds by which the clock of this process's SQLite is ahead; the database asks julianday('now')."""
    ahead = [0.0]

    def configure(raw: Any, _record: Any) -> None:
        raw.create_function("julianday", 1, lambda _: 2_440_587.5 + (time.time() + ahead[0]) / DAY)

    event.listen(database.engine, "connect", configure)
    database.engine.dispose()
    return ahead


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_healthy_job_outlives_a_jump_of_hours(
    database: Database, context: WorkerContext, submit: Any, look: Any, wait_for: Any, shift: list[float], gate: Any
) -> None:
    job_id = submit(steps=30, seconds=0.05, gate=gate)
    reaper = Reaper(database, context.settings)
    reaper.look()
    thread = threading.Thread(target=attempt, args=(context, job_id))
    thread.start()
    try:
        wait_for(lambda: look(job_id).progress)
        for hours in (1, 5, 24):
            shift[0] += 3600 * hours
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                assert reaper.look() == []
                time.sleep(0.1)
        gate.touch()
    finally:
        thread.join(30)
    job = look(job_id)
    assert (job.state, [one.outcome for one in job.attempts]) == ("succeeded", ["succeeded"])
    assert job.runtime_seconds < 60


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_dead_worker_is_found_though_the_clock_jumped(
    database: Database, context: WorkerContext, submit: Any, look: Any, wait_for: Any, shift: list[float]
) -> None:
    job_id = submit()
    reaper = Reaper(database, context.settings)
    reaper.look()
    with database.begin() as session:
        assert leases.claim(session, job_id, owner="dead", lease_seconds=context.settings.lease_seconds)
    shift[0] += 3600
    assert reaper.look() == []
    wait_for(lambda: reaper.look() == [job_id], seconds=3 * context.settings.lease_seconds)
    assert look(job_id).state == "queued"


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_dead_worker_is_found_though_the_clock_went_back(
    database: Database, context: WorkerContext, submit: Any, wait_for: Any, shift: list[float]
) -> None:
    dead, alive = submit(), submit()
    seconds = context.settings.lease_seconds
    reaper = Reaper(database, context.settings)
    leased = []
    for job_id in (dead, alive):
        with database.begin() as session:
            leased.append(leases.claim(session, job_id, owner="w", lease_seconds=seconds))
    shift[0] -= 3600
    assert reaper.look() == reaper.look() == []
    moved = []
    until = time.monotonic() + 2 * seconds
    while time.monotonic() < until:
        with database.begin() as session:
            assert leased[1] is not None and leases.beat(session, leased[1], seconds).held
        moved += reaper.look()
        time.sleep(0.2)
    assert moved == [dead]


def test_only_a_jump_forward_makes_the_watch_wait() -> None:
    class Clock:
        at = datetime(2026, 1, 1, tzinfo=UTC)

        def now(self) -> datetime:
            return self.at

    clock, monotonic = Clock(), [0.0]
    watch = ClockWatch(clock, lease_seconds=60, monotonic=lambda: monotonic[0])  # type: ignore[arg-type]

    def after(seconds: float, jump: float = 0.0) -> bool:
        monotonic[0] += seconds
        clock.at += timedelta(seconds=seconds + jump)
        return watch.is_steady()

    assert [after(15), after(15), after(15, jump=3)] == [False, True, True]
    assert [after(15, jump=3600), *(after(15) for _ in range(4))] == [False, False, False, False, True]
    assert after(15, jump=-3600)
    assert after(600)


def test_a_lease_that_ran_out_long_ago_is_taken_at_the_second_look(
    database: Database, context: WorkerContext, submit: Any, look: Any
) -> None:
    job_id = submit()
    with database.begin() as session:
        leases.claim(session, job_id, owner="dead", lease_seconds=60)
        session.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(lease_until=from_now(-1)))
    reaper = Reaper(database, context.settings)
    assert reaper.look() == []
    assert reaper.look() == [job_id]
    with database.begin() as session:
        jobs.request_cancel(session, job_id)
