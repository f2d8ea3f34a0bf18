"""What a client reads beside the job: series that are thinned, events to replay, logs, artifacts, counts."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, get_args

import pytest

from store import jobs, leases, queries
from store.states import State
from store.values import Artifact, LogLine, MetricPoint, NewEvent
from tests.store.conftest import Bench

NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def lease(bench: Bench) -> Any:
    return bench.running()


def steps(bench: Any, lease: Any, **options: Any) -> Any:
    return {
        series.name: [point.step for point in series.points]
        for series in bench.read(queries.metrics, lease.job_id, **options)
    }


def test_series_by_name_and_since_a_step(bench: Bench, lease: Any) -> None:
    points = [MetricPoint(name, step, 0.5, NOW) for name in ("val/top1", "train/loss") for step in (30, 10, 20)]
    bench.do(leases.record, lease, metrics=points)
    assert steps(bench, lease) == {"train/loss": [10, 20, 30], "val/top1": [10, 20, 30]}
    assert list(steps(bench, lease)) == ["train/loss", "val/top1"]
    assert steps(bench, lease, names=["val/top1"], since_step=10) == {"val/top1": [20, 30]}
    assert steps(bench, lease, names=["unknown"]) == {}


@pytest.mark.parametrize("most", [1, 2, 7, 100])
def test_thinning_keeps_the_latest_and_an_even_stride(bench: Bench, lease: Any, most: int) -> None:
    counts = [1, 5, 99, 100, 101, 250, 999]
    points = [MetricPoint(f"{count}", step * 3, 1.0, NOW) for count in counts for step in range(count)]
    bench.do(leases.record, lease, metrics=points)
    found = steps(bench, lease, max_points=most)
    for count in counts:
        kept = found[f"{count}"]
        assert most / 2 < len(kept) <= most if count > most else len(kept) == count
        assert kept[-1] == (count - 1) * 3
        assert len({after - before for before, after in pairwise(kept)}) <= 1


def test_each_series_is_thinned_by_its_own_length(bench: Bench, lease: Any) -> None:
    points = [MetricPoint("long", step, 1.0, NOW) for step in range(100)]
    points += [MetricPoint("short", step, 1.0, NOW) for step in range(4)]
    bench.do(leases.record, lease, metrics=points)
    kept = steps(bench, lease, max_points=10)
    assert kept == {"long": list(range(9, 100, 10)), "short": [0, 1, 2, 3]}


def test_events_replay_from_any_point_in_order(bench: Bench, lease: Any) -> None:
    for number in range(25):
        bench.do(leases.record, lease, events=[NewEvent("note", {"number": number})])
    whole = bench.read(queries.events, lease.job_id)
    assert [event.seq for event in whole] == list(range(1, 28))
    assert [event.attempt for event in whole[:3]] == [0, 1, 1]
    replayed, last = [], 0
    while page := bench.read(queries.events, lease.job_id, after_seq=last, limit=4):
        assert len(page) <= 4
        replayed += page
        last = page[-1].seq
    assert replayed == whole


def test_event_numbers_rise_over_attempts_and_retries(bench: Bench, lease: Any) -> None:
    bench.do(leases.fail, lease, {"code": "INTERNAL"})
    bench.do(jobs.retry, lease.job_id)
    newer = bench.claim(lease.job_id)
    bench.do(leases.record, newer, events=[NewEvent("note")])
    told = bench.read(queries.events, lease.job_id)
    assert [event.seq for event in told] == list(range(1, len(told) + 1))
    assert (told[-1].kind, told[-1].attempt) == ("note", 2)


def test_logs_of_one_attempt_and_of_all(bench: Bench, lease: Any) -> None:
    bench.do(leases.record, lease, logs=[LogLine("info", "one", NOW), LogLine("error", "two", NOW)], phase="training")
    bench.do(leases.release, lease)
    bench.do(leases.record, bench.claim(lease.job_id), logs=[LogLine("info", "three", NOW)])
    lines = bench.read(queries.logs, lease.job_id)
    assert [(line.attempt, line.level, line.message) for line in lines] == [
        (1, "info", "one"), (1, "error", "two"), (2, "info", "three"),
    ]  # fmt: skip
    assert {line.at for line in lines} == {NOW}
    assert [line.message for line in bench.read(queries.logs, lease.job_id, attempt=2)] == ["three"]
    rest = bench.read(queries.logs, lease.job_id, after_seq=lines[0].seq, limit=1)
    assert [line.message for line in rest] == ["two"]


def test_an_artifact_told_again_replaces_the_first(bench: Bench, lease: Any) -> None:
    first, second = bench.blob(b"1"), bench.blob(b"22")
    bench.do(leases.add_artifact, lease, "report.html", "text/html", first, 1)
    bench.do(leases.add_artifact, lease, "model.onnx", "application/octet-stream", second, 2)
    bench.do(leases.add_artifact, lease, "report.html", "text/html", second, 2)
    listed = bench.read(queries.artifacts, lease.job_id)
    assert [(item.name, item.size_bytes, item.sha256) for item in listed] == [
        ("model.onnx", 2, second), ("report.html", 2, second),
    ]  # fmt: skip
    assert bench.read(queries.artifact, lease.job_id, "report.html") == listed[1]
    assert isinstance(listed[0], Artifact)
    assert bench.read(queries.artifact, lease.job_id, "../etc/passwd") is None


def test_an_artifact_needs_its_blob(bench: Bench, lease: Any) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        bench.do(leases.add_artifact, lease, "model", "x/y", "0" * 64, 1)
    assert bench.read(queries.artifacts, lease.job_id) == []


def test_counts_by_state(bench: Bench, lease: Any) -> None:
    bench.submit()
    bench.submit()
    counts = bench.read(queries.count_jobs)
    assert (counts["queued"], counts["running"], counts["succeeded"]) == (2, 1, 0)
    assert set(counts) == set(get_args(State))
