"""Jobs whose worker has gone silent go on elsewhere; jobs that kill their workers do not."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update

from core.errors import EngineCrashed
from store import jobs, leases, reaper
from store.clock import from_now, seconds_since
from store.tables import jobs as jobs_table
from tests.store.conftest import Bench

KILLED = EngineCrashed("the engine was ended by SIGKILL")


def crash(bench: Any, job_id: Any, max_attempts: int = 3) -> Any:
    bench.claim(job_id)
    bench.expire(job_id)
    assert bench.do(reaper.reap, max_attempts) == [job_id]
    return bench.get(job_id)


def test_a_lease_that_runs_out_by_the_clock_is_reaped_and_no_other(bench: Bench) -> None:
    long = bench.claim(bench.submit().id, seconds=300)
    assert bench.do(reaper.reap, 3) == []
    short = bench.claim(bench.submit().id, seconds=0.1)
    time.sleep(0.15)
    assert bench.do(reaper.reap, 3) == [short.job_id]
    assert (bench.get(short.job_id).state, bench.get(long.job_id).state) == ("queued", "running")
    assert bench.do(leases.beat, long, 30).held


def test_a_reaped_job_keeps_its_checkpoint_and_is_sent_again(bench: Bench) -> None:
    lease = bench.running()
    bench.do(leases.save_checkpoint, lease, bench.blob(), "checkpoints/40.pt", 40)
    bench.expire(lease.job_id)
    bench.do(reaper.reap, 3)
    job = bench.get(lease.job_id)
    assert (job.state, job.error, job.attempts[0].outcome) == ("queued", None, "lost")
    assert bench.order() == [job.id]
    newer = bench.claim(job.id)
    assert newer.checkpoints[0].step == 40
    assert newer.token > lease.token


def test_three_crashes_without_a_checkpoint_between_are_enough(bench: Bench) -> None:
    job_id = bench.submit().id
    assert [crash(bench, job_id).state for _ in range(3)] == ["queued", "queued", "failed"]
    job = bench.get(job_id)
    assert (job.error["code"], job.error["category"]) == ("WORKER_LOST", "infrastructure")
    assert set(job.error) == {"code", "category", "message", "hint"} and all(job.error.values())
    assert job.finished_at is not None
    assert bench.order() == []


def test_crashes_that_make_progress_do_not_count(bench: Bench) -> None:
    job_id = bench.submit().id
    for step in range(6):
        assert crash(bench, job_id).state == "queued"
        lease = bench.claim(job_id)
        bench.do(leases.save_checkpoint, lease, bench.blob(), "c", step)
        bench.expire(job_id)
        bench.do(reaper.reap, 3)
        assert bench.get(job_id).state == "queued"


def test_retry_after_a_lost_worker_counts_crashes_afresh(bench: Bench) -> None:
    job_id = bench.submit().id
    assert crash(bench, job_id, max_attempts=1).state == "failed"
    bench.do(jobs.retry, job_id)
    assert [crash(bench, job_id).state for _ in range(2)] == ["queued", "queued"]


def test_a_lost_job_whose_cancel_was_asked_for_is_cancelled(bench: Bench) -> None:
    lease = bench.running()
    bench.do(jobs.request_cancel, lease.job_id)
    bench.expire(lease.job_id)
    assert bench.do(reaper.reap, 3) == [lease.job_id]
    job = bench.get(lease.job_id)
    assert (job.state, job.done, job.error) == ("cancelled", True, None)


def test_an_engine_that_died_under_a_live_worker_counts_as_a_crash_at_once(bench: Bench) -> None:
    lease = bench.running()
    assert bench.do(reaper.crashed, lease, 2, KILLED)
    assert bench.get(lease.job_id).state == "queued"
    assert bench.do(reaper.crashed, bench.claim(lease.job_id), 2, KILLED)
    job = bench.get(lease.job_id)
    assert (job.state, job.error["code"]) == ("failed", "ENGINE_CRASHED")
    assert "SIGKILL" in job.error["message"]


def test_deaths_of_engines_and_silences_of_workers_are_counted_apart(bench: Bench) -> None:
    job_id = bench.submit().id
    for _ in range(2):
        assert bench.do(reaper.crashed, bench.claim(job_id), 3, KILLED)
        assert crash(bench, job_id, max_attempts=3).state == "queued"
    assert bench.do(reaper.crashed, bench.claim(job_id), 3, KILLED)
    assert bench.get(job_id).error["code"] == "ENGINE_CRASHED"


def test_after_the_second_loss_in_a_row_the_next_attempt_waits_longer_and_longer(bench: Bench) -> None:
    job_id = bench.submit().id
    waits = []
    for _ in range(4):
        assert bench.do(reaper.crashed, bench.claim(job_id), 9, KILLED, 40.0)
        with bench.database.read() as session:
            wait = seconds_since(jobs_table.c.run_after)
            waits.append(session.execute(select(wait).where(jobs_table.c.id == job_id)).scalar_one())
        claimed = bench.do(leases.claim, job_id, owner="w", lease_seconds=60)
        sent = bench.order()
        if waits[-1] is None:
            assert claimed is not None
            bench.do(leases.release, claimed)
            continue
        assert claimed is None and sent == []
        with bench.database.begin() as session:
            session.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(run_after=from_now(-1)))
    assert waits[0] is None
    assert [-wait for wait in waits[1:]] == pytest.approx([40, 80, 160], abs=5)


def test_a_checkpoint_of_the_same_step_is_no_progress(bench: Bench) -> None:
    job_id = bench.submit().id
    for number in range(2):
        lease = bench.claim(job_id)
        bench.do(leases.save_checkpoint, lease, bench.blob(b"%d" % number), "c", 5)
        assert bench.do(reaper.crashed, lease, 2, KILLED)
    assert bench.get(job_id).state == "failed"
    bench.do(jobs.retry, job_id)
    for step in range(6, 10):
        lease = bench.claim(job_id)
        bench.do(leases.save_checkpoint, lease, bench.blob(b"%d" % step), "c", step)
        assert bench.do(reaper.crashed, lease, 2, KILLED)
    assert bench.get(job_id).state == "queued"


def test_a_jump_of_the_clock_is_no_runtime(bench: Bench) -> None:
    lease = bench.running()
    with bench.database.begin() as session:
        session.execute(update(jobs_table).values(beat_at=from_now(-7200), lease_until=from_now(-7100)))
    assert bench.do(leases.beat, lease, 60).held
    assert bench.get(lease.job_id).runtime_seconds == lease.lease_seconds
    with bench.database.begin() as session:
        session.execute(update(jobs_table).values(beat_at=from_now(7200)))
    assert bench.do(leases.release, lease)
    assert bench.get(lease.job_id).runtime_seconds == lease.lease_seconds


@pytest.mark.parametrize("replaced", ["released", "reaped", "crashed"])
def test_a_job_cancelled_while_its_worker_is_replaced_never_runs_again(bench: Bench, replaced: str) -> None:
    """The cancel, the end of the old worker and the claim of the new one, all at the same moment, many times."""
    for _ in range(20):
        lease = bench.running()
        with bench.database.begin() as session:
            session.execute(update(jobs_table).where(jobs_table.c.id == lease.job_id).values(lease_until=from_now(-1)))
        moves: dict[str, Any] = {
            "released": lambda lease=lease: bench.do(leases.release, lease),
            "reaped": lambda: bench.do(reaper.reap, 9),
            "crashed": lambda lease=lease: bench.do(reaper.crashed, lease, 9, KILLED),
        }
        together = Barrier(3)

        def at_once(move: Any, together: Barrier = together) -> Any:
            together.wait()
            return move()

        def claim(lease: Any = lease) -> Any:
            return bench.do(leases.claim, lease.job_id, owner="worker-2", lease_seconds=60)

        with ThreadPoolExecutor(3) as pool:
            asked = pool.submit(at_once, lambda lease=lease: bench.do(jobs.request_cancel, lease.job_id))
            moved = pool.submit(at_once, moves[replaced])
            claimed = pool.submit(at_once, claim)
        assert asked.result().state in ("cancelled", "cancelling")
        moved.result()
        newer = claimed.result()
        if newer is not None:  # it was faster than the cancel, which it is told at its first look
            assert bench.read(leases.asked, newer) == "cancel"
            assert bench.do(leases.finish_cancelled, newer)
        bench.do(reaper.reap, 9)
        assert bench.get(lease.job_id).state == "cancelled"
        assert claim() is None
        assert lease.job_id not in bench.order()
