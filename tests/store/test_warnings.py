"""Warnings of a job: shown in order, once, over all attempts, and gone with the job."""

import pytest
from sqlalchemy import func, select

from store import jobs, leases, queries
from store.tables import job_warnings
from store.values import JobWarning, Lease

from .conftest import Bench

SKIPPED = JobWarning("DATASET_FILES_SKIPPED", "20 files were passed over: 20 x .txt", "remove them", 20)
SMALL = JobWarning("TEST_SPLIT_SMALL", "the test split has 24 images")
SLOW = JobWarning("HOST_SLOW", "the address did not answer within 2 s")


def rows(bench: Bench) -> int:
    with bench.database.read() as session:
        return session.execute(select(func.count()).select_from(job_warnings)).scalar_one()


def reclaim(bench: Bench, lease: Lease) -> Lease:
    """The lease of the next attempt, after the worker of this one gave the job back."""
    assert bench.do(leases.release, lease)
    return bench.claim(lease.job_id)


def test_they_are_shown_in_the_order_of_their_report(bench: Bench) -> None:
    lease = bench.running()
    assert bench.do(leases.record, lease, warnings=[SMALL])
    assert bench.do(leases.record, lease, warnings=[SKIPPED], phase="training")
    assert bench.get(lease.job_id).warnings == (SMALL, SKIPPED)
    assert bench.read(jobs.list_jobs).jobs[0].warnings == (SMALL, SKIPPED)


def test_each_is_an_event_and_counts_as_a_change(bench: Bench) -> None:
    lease = bench.running()
    before = bench.get(lease.job_id).version
    bench.do(leases.record, lease, warnings=[SMALL, SKIPPED, SMALL])
    assert bench.get(lease.job_id).version > before
    told = [event.data for event in bench.read(queries.events, lease.job_id) if event.kind == "warning"]
    assert [data["warning"]["code"] for data in told] == ["TEST_SPLIT_SMALL", "DATASET_FILES_SKIPPED"]
    assert told[1]["warning"] == {"code": SKIPPED.code, "message": SKIPPED.message, "hint": "remove them", "count": 20}


def test_a_repeated_one_is_shown_once(bench: Bench) -> None:
    lease = bench.running()
    bench.do(leases.record, lease, warnings=[SMALL, SMALL])
    bench.do(leases.record, lease, warnings=[SMALL])
    assert bench.get(lease.job_id).warnings == (SMALL,)


def test_the_next_attempt_keeps_them_and_doubles_none(bench: Bench) -> None:
    lease = bench.running()
    bench.do(leases.record, lease, warnings=[SKIPPED, SMALL])
    lease = reclaim(bench, lease)
    assert bench.get(lease.job_id).warnings == (SKIPPED, SMALL)
    fewer = JobWarning(SKIPPED.code, "19 files were passed over: 19 x .txt", "remove them", 19)
    bench.do(leases.record, lease, warnings=[fewer])
    assert set(bench.get(lease.job_id).warnings) == {SMALL, fewer}
    bench.do(leases.record, lease, warnings=[SMALL])
    assert bench.get(lease.job_id).warnings == (fewer, SMALL)


def test_one_code_may_warn_of_several_things(bench: Bench) -> None:
    lease = bench.running()
    other = JobWarning(SKIPPED.code, "3 files were passed over: 3 x .tif")
    bench.do(leases.record, lease, warnings=[SKIPPED])
    bench.do(leases.record, lease, warnings=[other])
    assert bench.get(lease.job_id).warnings == (SKIPPED, other)


def test_a_worker_that_lost_its_lease_warns_of_nothing(bench: Bench) -> None:
    lease = bench.running()
    reclaim(bench, lease)
    assert not bench.do(leases.record, lease, warnings=[SMALL])
    assert bench.get(lease.job_id).warnings == ()


def test_those_of_the_submission_stay_and_come_first(bench: Bench) -> None:
    job = bench.do(jobs.submit, bench.spec(), found=[SLOW]).job
    assert job.warnings == (SLOW,)
    assert [event.kind for event in bench.read(queries.events, job.id)] == ["state", "warning"]
    lease = bench.claim(job.id)
    bench.do(leases.record, lease, warnings=[SMALL])
    assert bench.get(job.id).warnings == (SLOW, SMALL)


def test_a_retry_forgets_what_attempts_found(bench: Bench) -> None:
    job = bench.do(jobs.submit, bench.spec(), found=[SLOW]).job
    lease = bench.claim(job.id)
    bench.do(leases.record, lease, warnings=[SMALL])
    bench.do(leases.fail, lease, {"code": "INTERNAL"})
    assert bench.get(job.id).warnings == (SLOW, SMALL)
    assert bench.do(jobs.retry, job.id).warnings == (SLOW,)


@pytest.mark.parametrize("kind", ["job", "plan"])
def test_they_go_with_the_job(bench: Bench, kind: str) -> None:
    job = bench.do(jobs.submit, bench.spec(), kind=kind, found=[SLOW]).job
    lease = bench.claim(job.id)
    bench.do(leases.record, lease, warnings=[SMALL])
    bench.do(leases.succeed, lease, {})
    assert rows(bench) == 2
    bench.do(jobs.delete, job.id)
    assert rows(bench) == 0
