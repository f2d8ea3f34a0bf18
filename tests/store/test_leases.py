"""A worker's side: claim, beat, record, checkpoint, publish, end; and nothing of it once the lease is lost."""

import inspect
import math
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from core.errors import DiskFull, EngineCrashed
from store import jobs, leases, queries, queue, reaper
from store.tables import metadata, metrics
from store.values import Beat, CheckpointRef, JobWarning, Lease, LogLine, MetricPoint, NewEvent
from tests.store.conftest import Bench

NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)

ERROR = {"code": "DATASET_INVALID", "category": "user", "message": "no images", "hint": "look"}

# Every function that writes as a worker, with a call of it.
WRITERS = {
    "beat": lambda bench, lease: bench.do(leases.beat, lease, 60).held,
    "record": lambda bench, lease: bench.do(
        leases.record,
        lease,
        metrics=[MetricPoint("stale", 1, 1.0, NOW)],
        progress={"fraction": 1.0},
        phase="exporting",
        resolved={"spec": {}, "student": None},
        logs=[LogLine("info", "stale", NOW)],
        events=[NewEvent("stale")],
    ),
    "save_checkpoint": lambda bench, lease: bench.do(leases.save_checkpoint, lease, bench.blob(), "stale.pt", 99),
    "drop_checkpoint": lambda bench, lease: bench.do(
        leases.drop_checkpoint, lease, CheckpointRef("f" * 64, "stale.pt", 99), JobWarning("STALE", "stale")
    ),
    "add_artifact": lambda bench, lease: bench.do(leases.add_artifact, lease, "stale", "text/plain", bench.blob(), 7),
    "succeed": lambda bench, lease: bench.do(leases.succeed, lease, {"stale": True}),
    "fail": lambda bench, lease: bench.do(leases.fail, lease, ERROR),
    "finish_cancelled": lambda bench, lease: bench.do(leases.finish_cancelled, lease),
    "finish_paused": lambda bench, lease: bench.do(leases.finish_paused, lease),
    "release": lambda bench, lease: bench.do(leases.release, lease),
    "crashed": lambda bench, lease: bench.do(reaper.crashed, lease, 3, EngineCrashed("stale")),
    "put_back": lambda bench, lease: bench.do(reaper.put_back, lease, DiskFull("stale"), 3, 0.0, at_once=True),
}
READERS = {"asked"}


def test_every_function_that_takes_a_lease_is_in_the_table() -> None:
    takers = {
        name
        for module in (leases, reaper, jobs, queue, queries)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and any(parameter.annotation is Lease for parameter in inspect.signature(function).parameters.values())
    }
    assert takers == {*WRITERS, *READERS}


def taken_over(bench: Any, lease: Any) -> None:
    bench.expire(lease.job_id)
    assert bench.do(reaper.reap, 3) == [lease.job_id]
    bench.claim(lease.job_id, owner="worker-2")


def queued_again(bench: Any, lease: Any) -> None:
    bench.expire(lease.job_id)
    bench.do(reaper.reap, 3)


def taken_over_and_cancelling(bench: Any, lease: Any) -> None:
    taken_over(bench, lease)
    bench.do(jobs.request_cancel, lease.job_id)


def ended_by_another(bench: Any, lease: Any) -> None:
    queued_again(bench, lease)
    bench.do(leases.succeed, bench.claim(lease.job_id, owner="worker-2"), {"metrics": {"top1": 0.5}})


def ended_by_itself(bench: Any, lease: Any) -> None:
    bench.do(leases.succeed, lease, {"metrics": {"top1": 0.5}})


def retried(bench: Any, lease: Any) -> None:
    bench.do(leases.fail, lease, ERROR)
    bench.do(jobs.retry, lease.job_id)


def deleted(bench: Any, lease: Any) -> None:
    ended_by_itself(bench, lease)
    bench.do(jobs.delete, lease.job_id)


LOSSES = [
    taken_over, queued_again, taken_over_and_cancelling, ended_by_another, ended_by_itself, retried, deleted,
]  # fmt: skip


def everything(bench: Any) -> Any:
    """All rows of all tables but the blobs."""
    with bench.database.read() as session:
        tables = [table for table in metadata.sorted_tables if not table.name.startswith("blob")]
        return {table.name: session.execute(select(table)).all() for table in tables}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_a_lost_lease_writes_nothing(bench: Bench, loss: Any) -> None:
    lease = bench.running()
    loss(bench, lease)
    before = everything(bench)
    for name, write in WRITERS.items():
        assert write(bench, lease) is False, name
        assert everything(bench) == before, name


def test_a_held_lease_writes(bench: Bench) -> None:
    for name in set(WRITERS) - {"finish_cancelled", "finish_paused"}:
        lease = bench.running()
        before = everything(bench)
        assert WRITERS[name](bench, lease) is True, name
        assert everything(bench) != before, name


def test_cancel_requested_looks_without_prolonging(bench: Bench) -> None:
    lease = bench.running()
    before = everything(bench)
    assert not bench.read(leases.asked, lease)
    assert everything(bench) == before
    bench.do(jobs.request_cancel, lease.job_id)
    assert bench.read(leases.asked, lease)


def test_claim_takes_the_job_and_its_message(bench: Bench) -> None:
    job = bench.submit(training={"max_runtime_seconds": 90.0})
    lease = bench.claim(job.id, owner="worker-1")
    assert (lease.job_id, lease.kind, lease.token, lease.attempt) == (job.id, "job", 1, 1)
    assert (lease.spec, lease.checkpoints, lease.runtime_seconds) == (job.spec, (), 0.0)
    assert lease.max_runtime_seconds == 90.0
    shown = bench.get(job.id)
    assert (shown.state, shown.phase, shown.queue) == ("running", "preparing", None)
    assert [(attempt.number, attempt.worker, attempt.outcome) for attempt in shown.attempts] == [(1, "worker-1", None)]
    assert bench.order() == []


def test_eight_threads_claim_one_winner(bench: Bench) -> None:
    for _ in range(5):
        job_id = bench.submit().id
        start = threading.Barrier(8)
        won = []

        def claim(number: Any, job_id: Any = job_id, start: Any = start, won: Any = won) -> None:
            start.wait()
            won.append(bench.do(leases.claim, job_id, owner=f"worker-{number}", lease_seconds=60))

        threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 8
        assert [lease.token for lease in won if lease] == [1]


def test_record_tells_all_that_the_engine_said(bench: Bench) -> None:
    lease = bench.running()
    resolved = {
        "spec": {"method": {"name": "resolved"}},
        "student": {"architecture": "cifar/resnet8", "num_params": 78042},
    }
    bench.do(
        leases.record,
        lease,
        phase="training",
        progress={"fraction": 0.25},
        resolved=resolved,
        logs=[LogLine("warning", "slow", NOW)],
        events=[NewEvent("note", {"b": 1, "a": 2})],
    )
    job = bench.get(lease.job_id)
    assert (job.phase, job.progress, job.spec, job.student) == (
        "training", {"fraction": 0.25}, resolved["spec"], resolved["student"],
    )  # fmt: skip
    told = bench.read(queries.events, lease.job_id)
    assert [event.kind for event in told] == ["state", "state", "note", "phase", "resolved", "log"]
    assert list(told[2].data) == ["b", "a"]  # the order of keys is kept
    assert [event.seq for event in told] == [1, 2, 3, 4, 5, 6]


def test_a_repeated_step_overwrites_and_a_non_finite_value_is_a_fact(bench: Bench) -> None:
    lease = bench.running()
    bench.do(leases.record, lease, metrics=[MetricPoint("train/loss", step, 1.0 / step, NOW) for step in (1, 2, 3)])
    again = [("train/loss", 2, 0.75), ("train/loss", 3, math.nan), ("train/loss", 4, math.inf), ("val/loss", 4, None)]
    bench.do(leases.record, lease, metrics=[MetricPoint(*point, NOW) for point in again])
    bench.do(leases.record, lease, metrics=[MetricPoint("x", 1, 1.0, NOW), MetricPoint("x", 1, 2.0, NOW)])
    series = bench.read(queries.metrics, lease.job_id, names=["train/loss"])[0]
    assert [(point.step, point.value) for point in series.points] == [(1, 1.0), (2, 0.75), (3, None), (4, None)]
    assert series.points[0].at == NOW
    assert bench.read(queries.metrics, lease.job_id, names=["x"])[0].points[0].value == 2.0
    with bench.database.read() as session:
        finite = session.execute(select(metrics.c.finite).where(metrics.c.name == "train/loss").order_by("step"))
        assert finite.scalars().all() == [True, True, False, False]


def test_a_nan_within_a_result_becomes_null(bench: Bench) -> None:
    lease = bench.running()
    bench.do(leases.succeed, lease, {"ece": math.nan, "interval": [0.1, -math.inf], "top1": 0.5})
    assert bench.get(lease.job_id).result == {"ece": None, "interval": [0.1, None], "top1": 0.5}


def test_succeed_ends_the_job_with_its_result(bench: Bench) -> None:
    lease = bench.running()
    assert bench.do(leases.succeed, lease, {"metrics": {"top1": 0.9}})
    job = bench.get(lease.job_id)
    assert (job.state, job.done, job.phase, job.result) == ("succeeded", True, None, {"metrics": {"top1": 0.9}})
    assert job.finished_at >= job.started_at >= job.created_at
    assert [attempt.outcome for attempt in job.attempts] == ["succeeded"]


def test_fail_ends_the_job_with_its_error(bench: Bench) -> None:
    lease = bench.running()
    assert bench.do(leases.fail, lease, ERROR)
    job = bench.get(lease.job_id)
    assert (job.state, job.error, job.attempts[0].error) == ("failed", ERROR, ERROR)


@pytest.mark.parametrize("ending", ["succeed", "fail", "release", "finish_cancelled"])
def test_a_job_whose_cancel_was_asked_for_ends_cancelled_whatever_its_worker_says(bench: Bench, ending: str) -> None:
    lease = bench.running()
    bench.do(jobs.request_cancel, lease.job_id)
    assert WRITERS[ending](bench, lease) is True
    job = bench.get(lease.job_id)
    assert (job.state, job.result, job.error, job.attempts[0].outcome) == ("cancelled", None, None, "cancelled")


def test_finish_cancelled_needs_a_request(bench: Bench) -> None:
    lease = bench.running()
    assert bench.do(leases.finish_cancelled, lease) is False
    assert bench.get(lease.job_id).state == "running"


def test_release_gives_the_job_back_without_counting_a_crash(bench: Bench) -> None:
    lease = bench.running()
    for _ in range(5):  # more often than max_attempts
        bench.do(leases.save_checkpoint, lease, bench.blob(b"state"), "checkpoints/3.pt", 3)
        assert bench.do(leases.release, lease)
        assert bench.get(lease.job_id).state == "queued"
        assert bench.order() == [lease.job_id]
        newer = bench.claim(lease.job_id)
        assert newer.token > lease.token
        lease = newer
    assert lease.checkpoints == (CheckpointRef(bench.blob(b"state"), "checkpoints/3.pt", 3),)
    outcomes = [attempt.outcome for attempt in bench.get(lease.job_id).attempts]
    assert outcomes == ["released"] * 5 + [None]


def test_two_checkpoints_are_kept_and_a_damaged_one_is_dropped(bench: Bench) -> None:
    lease = bench.running()
    refs = [CheckpointRef(bench.blob(f"state {step}".encode()), f"checkpoints/{step}.pt", step) for step in (1, 2, 3)]
    for ref in (*refs, refs[-1]):  # stored twice, as after a resume: it does not become its own predecessor
        bench.do(leases.save_checkpoint, lease, ref.sha256, ref.path, ref.step)
    bench.do(leases.release, lease)
    lease = bench.claim(lease.job_id)
    assert lease.checkpoints == (refs[2], refs[1])
    warning = JobWarning("CHECKPOINT_DAMAGED", "step 3")
    assert bench.do(leases.drop_checkpoint, lease, refs[2], warning)
    bench.do(leases.release, lease)
    lease = bench.claim(lease.job_id)
    assert lease.checkpoints == (refs[1],)
    assert bench.do(leases.drop_checkpoint, lease, refs[1], warning)
    bench.do(leases.release, lease)
    assert bench.claim(lease.job_id).checkpoints == ()
    assert [each.message for each in bench.get(lease.job_id).warnings] == ["step 3"]


def test_who_lost_the_lease_changes_no_checkpoint(bench: Bench) -> None:
    lease = bench.running()
    first, second = (CheckpointRef(bench.blob(name), "checkpoints/1.pt", 1) for name in (b"one", b"two"))
    bench.do(leases.save_checkpoint, lease, first.sha256, first.path, first.step)
    bench.do(leases.release, lease)
    newer = bench.claim(lease.job_id)
    bench.do(leases.save_checkpoint, newer, second.sha256, second.path, second.step)
    third = bench.blob(b"three")
    assert not bench.do(leases.save_checkpoint, lease, third, "checkpoints/1.pt", 1)
    assert not bench.do(leases.drop_checkpoint, lease, second, JobWarning("X", "x"))
    bench.do(leases.release, newer)
    assert bench.claim(lease.job_id).checkpoints == (second, first)


def test_a_beat_prolongs_the_lease_by_the_databases_clock(bench: Bench) -> None:
    lease = bench.claim(bench.submit().id, seconds=0.1)
    assert bench.do(leases.beat, lease, 300) == Beat(held=True, asked=None)
    time.sleep(0.15)  # past the first lease, within the second
    assert bench.do(reaper.reap, 3) == []
    bench.do(leases.beat, lease, 0.1)
    time.sleep(0.15)
    assert bench.do(reaper.reap, 3) == [lease.job_id]


def test_runtime_counts_over_all_attempts(bench: Bench) -> None:
    lease = bench.running()
    time.sleep(0.1)
    bench.do(leases.beat, lease, 60)
    time.sleep(0.1)
    bench.do(leases.release, lease)
    first = bench.get(lease.job_id)
    time.sleep(1.0)  # waiting in the queue costs nothing
    lease = bench.claim(lease.job_id)
    assert lease.runtime_seconds == first.runtime_seconds
    time.sleep(0.1)
    bench.do(leases.succeed, lease, {})
    job = bench.get(lease.job_id)
    spans = [(attempt.ended_at - attempt.started_at).total_seconds() for attempt in job.attempts]
    assert first.runtime_seconds == pytest.approx(spans[0], abs=0.4)
    assert job.runtime_seconds == pytest.approx(sum(spans), abs=0.4)
    assert min(spans) >= 0.1


def test_started_at_is_the_first_start(bench: Bench) -> None:
    lease = bench.running()
    first = bench.get(lease.job_id).started_at
    bench.do(leases.release, lease)
    bench.claim(lease.job_id)
    assert bench.get(lease.job_id).started_at == first
