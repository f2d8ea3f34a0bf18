"""What nobody needs is removed when it is due; what a job needs that may still run never is."""

import io
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select, update

from core.errors import DiskFull
from store import audit, blobs, growth, jobs, leases, reaper, retention, workers
from store.clock import from_now
from store.errors import JobNotFound
from store.growth import DATABASE, Swept
from store.settings import Settings
from store.tables import audit as audit_table
from store.tables import blobs as blobs_table
from store.tables import events, idempotency_keys
from store.tables import jobs as jobs_table
from store.tables import workers as workers_table
from store.values import LogLine
from tests.store.conftest import Bench

DAY = 86_400.0
SHORT = Settings(job_seconds=100 * DAY)


def age(bench: Bench, table: Table, days: float, **where: Any) -> None:
    """Let the moments of rows be so many days ago."""
    moments = [column for column in table.c if column.name.endswith("_at") or column.name == "at"]
    values = {column.name: from_now(-days * DAY) for column in moments if column.name in ("finished_at", "at")}
    values |= {
        column.name: from_now(-days * DAY) for column in moments if column.name in ("touched_at", "last_seen_at")
    }
    values |= {column.name: from_now(-days * DAY) for column in moments if table is idempotency_keys}
    with bench.database.begin() as session:
        rows = [table.c[name] == value for name, value in where.items()]
        session.execute(update(table).where(*rows).values(values))


def swept(bench: Bench, settings: Settings = SHORT) -> dict[str, int]:
    """Sweep; how many of each kind were removed. As many as were due."""
    rules = retention.rules(settings)
    due = {one.kind: one.due_count for one in bench.read(retention.due, rules)}
    removed = {one.kind: one.removed_count for one in retention.sweep(bench.database, rules)}
    late = {"files"}  # what the other rules let go of is due now
    assert {kind: count for kind, count in due.items() if kind not in late} == {
        kind: count for kind, count in removed.items() if kind not in late
    }
    return {kind: count for kind, count in removed.items() if count}


def ended(bench: Bench, how: str, **fields: Any) -> str:
    """A job that ended so, with a checkpoint, an artifact and a log line."""
    lease = bench.running(**fields)
    bench.do(leases.record, lease, logs=[LogLine("info", "hello", bench.database.now())])
    bench.do(leases.save_checkpoint, lease, bench.blob(lease.job_id.encode() + b"1"), "c/1", 1)
    bench.do(leases.save_checkpoint, lease, bench.blob(lease.job_id.encode() + b"2"), "c/2", 2)
    bench.do(leases.add_artifact, lease, "model.safetensors", "x/y", bench.blob(lease.job_id.encode()), 30)
    if how == "succeeded":
        bench.do(leases.succeed, lease, {})
    elif how == "failed":
        bench.do(leases.fail, lease, {"code": "X", "category": "user", "message": "m", "hint": ""})
    elif how == "cancelled":
        bench.do(jobs.request_cancel, lease.job_id)
        bench.do(leases.finish_cancelled, lease)
    return lease.job_id


def count(bench: Bench, table: Table, *where: Any) -> int:
    return bench.read(
        lambda session: session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    )


def test_a_success_needs_no_checkpoint_and_a_cancelled_job_keeps_no_files(bench: Bench) -> None:
    kept = {how: ended(bench, how) for how in ("succeeded", "failed", "cancelled")}
    age(bench, blobs_table, 1)
    retention.sweep(bench.database, retention.rules(SHORT))
    # Checkpoints: none of the success, two of the failed and two of the cancelled one, as a retry goes on from them.
    # Artifacts: none of the cancelled one.
    assert count(bench, blobs_table) == 0 + 2 + 2 + 2
    bench.do(jobs.retry, kept["cancelled"])
    assert [one.step for one in bench.claim(kept["cancelled"]).checkpoints] == [2, 1]


def test_what_is_due_goes_and_what_a_job_may_need_stays(bench: Bench) -> None:
    failed, old = ended(bench, "failed"), ended(bench, "succeeded")
    running, waiting = ended(bench, "running"), bench.submit().id
    paused = bench.submit().id
    bench.do(jobs.request_pause, paused)
    age(bench, blobs_table, 1)
    assert swept(bench) == {"files": 2}  # the checkpoints of the success
    with bench.database.begin() as session:
        long_ago = {"created_at": from_now(-95 * DAY), "finished_at": from_now(-95 * DAY)}
        session.execute(update(jobs_table).values(long_ago))
    before = count(bench, events, events.c.job_id.in_([running, waiting, paused]))
    found = swept(bench)
    assert set(found) == {"events", "checkpoints", "files"} and found["checkpoints"] == 2
    assert count(bench, events, events.c.job_id.in_([running, waiting, paused])) == before
    assert count(bench, events, events.c.job_id == old, events.c.kind != "state") == 0
    assert count(bench, events, events.c.job_id == old) > 0
    bench.do(jobs.retry, failed)
    assert bench.claim(failed).checkpoints == ()
    with bench.database.read() as session:
        row = session.execute(select(jobs_table).where(jobs_table.c.id == running)).one()
    assert blobs.size_of(bench.database, row.checkpoint_sha256) > 0


def test_old_jobs_go_but_teachers_of_others_stay(bench: Bench) -> None:
    old, teacher, of_failed = (ended(bench, "succeeded") for _ in range(3))
    bench.submit(teacher=f"job:{teacher}")
    ended(bench, "failed", teacher=f"job:{of_failed}")
    for job_id in (old, teacher, of_failed):
        age(bench, jobs_table, 101, id=job_id)
    assert swept(bench, Settings()).get("jobs") is None
    assert swept(bench)["jobs"] == 1
    with pytest.raises(JobNotFound):
        bench.get(old)
    assert bench.get(teacher) and bench.get(of_failed)


def test_plans_keys_audit_and_silent_workers(bench: Bench) -> None:
    lease = bench.claim(bench.submit(kind="plan").id)
    bench.do(leases.succeed, lease, {})
    fresh = bench.claim(bench.submit(kind="plan").id)
    bench.do(leases.succeed, fresh, {})
    age(bench, jobs_table, 1, id=lease.job_id)
    bench.submit(key="old"), bench.submit(key="new")
    age(bench, idempotency_keys, 31, key="old")
    for _ in range(2):
        bench.do(audit.record, audit.NewEntry("t", "a", "submit_job", "x", "done", "127.0.0.1", "r"))
    age(bench, audit_table, 401, id=1)
    for name in ("old", "new"):
        bench.do(workers.announce, name, host="h", pid=1, devices=["cpu"], version="1", slots=1)
    age(bench, workers_table, 1.1, id="old")
    assert swept(bench) == {"plans": 1, "idempotency keys": 1, "audit entries": 1, "workers": 1}
    assert bench.get(fresh.job_id)


def test_many_rows_go_in_batches(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 10)
    job_id = ended(bench, "failed")
    more = [{"job_id": job_id, "seq": seq, "attempt": 1, "kind": "log", "data": {}} for seq in range(100, 135)]
    with bench.database.begin() as session:
        session.execute(insert(events).values(at=from_now()), more)
    age(bench, jobs_table, 91, id=job_id)
    assert swept(bench)["events"] >= 35
    assert count(bench, events, events.c.kind != "state") == 0


def test_figures_add_up_over_sweeps(bench: Bench) -> None:
    assert bench.read(growth.seconds_since_sweep, DATABASE) is None
    for removed in (3, 4):
        bench.do(growth.publish, DATABASE, [Swept("files", "why", 5, 50, removed_count=removed, removed_bytes=10)])
    (one,) = bench.read(growth.figures)
    assert (one.place, one.kept_count, one.removed_count, one.removed_bytes) == (DATABASE, 5, 7, 20)
    assert bench.read(growth.seconds_since_sweep, DATABASE) < 60


def test_a_job_whose_host_is_unfit_goes_back_and_counts_apart(bench: Bench) -> None:
    full = DiskFull("no space")
    lease = bench.running()
    assert bench.do(reaper.put_back, lease, full, 3, 60.0, at_once=True)
    assert not bench.do(reaper.put_back, lease, full, 3, 60.0, at_once=True)  # the lease is gone
    lease = bench.claim(lease.job_id)  # at once: that worker takes no more
    bench.do(reaper.put_back, lease, full, 3, 60.0, at_once=True)
    assert bench.do(leases.claim, lease.job_id, owner="w", lease_seconds=60) is None  # it waits after the second
    bench.do(jobs.request_pause, lease.job_id)
    bench.do(jobs.request_resume, lease.job_id)
    lease = bench.claim(lease.job_id)
    bench.do(reaper.put_back, lease, full, 3, 60.0, at_once=False)
    job = bench.get(lease.job_id)
    assert (job.state, job.error["code"]) == ("failed", "DISK_FULL")
    assert [one.outcome for one in job.attempts] == ["released"] * 3


def test_the_jobs_of_a_worker_known_to_be_dead_move_at_once(bench: Bench) -> None:
    bench.do(workers.announce, "worker-1", host="h", pid=1, devices=["cpu"], version="1", slots=1)
    first, other = bench.running(), bench.running()
    assert bench.do(reaper.bury, [(first.job_id, first.token), (other.job_id, other.token - 1)], 10) == [first.job_id]
    assert (bench.get(first.job_id).state, bench.get(other.job_id).state) == ("queued", "running")
    assert bench.do(reaper.bury, [(first.job_id, first.token)], 10) == []
    assert bench.read(workers.list_workers) == []


def test_a_large_stream_that_was_cut_off_is_garbage(bench: Bench) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 3 << 20:
                raise OSError(28, "No space left on device")
            return super().read(size)

    with pytest.raises(OSError):
        blobs.put(bench.database, Broken(bytes(8 << 20)))
    age(bench, blobs_table, 1)
    assert swept(bench) == {"files": 1}
    assert count(bench, blobs_table) == 0
