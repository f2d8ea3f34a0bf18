"""Jobs whose worker has gone silent go on elsewhere; jobs that kill their workers do not."""

import time
from typing import Any

import pytest
from sqlalchemy import update

from store import jobs, leases, outbox, reaper
from store.clock import from_now
from store.errors import JobNotFound
from store.tables import jobs as jobs_table
from tests.store.conftest import Bench


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
    assert [waiting.job_id for waiting in bench.read(outbox.dispatchable, limit=9)] == [job.id]
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
    assert bench.read(outbox.dispatchable, limit=9, resend_seconds=-1) == []


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
    assert bench.do(reaper.crashed, lease, 2, "the engine was killed by signal 9")
    assert bench.get(lease.job_id).state == "queued"
    assert bench.do(reaper.crashed, bench.claim(lease.job_id), 2, "the engine was killed by signal 9")
    job = bench.get(lease.job_id)
    assert job.state == "failed"
    assert "signal 9" in job.error["message"]


def test_plans_are_swept_after_a_while_and_jobs_never(bench: Bench) -> None:
    ended = []
    for kind in ("plan", "plan", "job"):
        lease = bench.claim(bench.submit(kind=kind).id)
        bench.do(leases.succeed, lease, {})
        ended.append(lease.job_id)
    waiting = bench.submit(kind="plan").id
    with bench.database.begin() as session:
        old = jobs_table.c.id.in_([ended[0], ended[2]])
        session.execute(update(jobs_table).where(old).values(finished_at=from_now(-7200)))
    assert bench.do(reaper.sweep_plans) == 1
    with pytest.raises(JobNotFound):
        bench.get(ended[0])
    for job_id in (ended[1], ended[2], waiting):
        bench.get(job_id)
