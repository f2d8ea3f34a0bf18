"""A client's side: submit, look, cancel, retry, delete."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from core.errors import EngineCrashed
from store import blobs, jobs, leases, queries, reaper, workers
from store.errors import BlobNotFound, IdempotencyConflict, IllegalTransition, JobNotFound
from store.tables import jobs as jobs_table
from store.tables import metadata
from store.values import NewEvent, Queue
from tests.store.conftest import Bench


def states_of(bench: Any, job_id: Any) -> list[Any]:
    return [event.data["state"] for event in bench.read(queries.events, job_id) if event.kind == "state"]


def test_a_submitted_job_is_queued_and_shows_its_spec(bench: Bench) -> None:
    job = bench.submit(name="shelf-v3", labels={"team": "retail", "tier": "gold"}, priority=7)
    assert job == bench.get(job.id)
    assert (job.state, job.done, job.phase, job.version) == ("queued", False, None, 1)
    assert (job.name, job.labels, job.priority) == ("shelf-v3", {"team": "retail", "tier": "gold"}, 7)
    assert job.spec["teacher"]["architecture"] == "cifar/resnet56"
    assert job.id.startswith("job_") and len(job.id) == 30
    assert job.queue == Queue(position=1, eligible_workers=0, reason="no worker is alive")


def test_times_are_the_databases_in_utc(bench: Bench) -> None:
    before = bench.database.now()
    job = bench.submit()
    after = bench.database.now()
    assert job.created_at.tzinfo is UTC
    slack = timedelta(milliseconds=2)  # SQLite's clock counts milliseconds
    assert before - slack <= job.created_at <= after + slack


def test_a_job_that_is_rolled_back_was_never_there(bench: Bench) -> None:
    with pytest.raises(RuntimeError), bench.database.begin() as session:
        job = jobs.submit(session, bench.spec(labels={"a": "b"}), idempotency_key="key").job
        raise RuntimeError
    with pytest.raises(JobNotFound, match=job.id):
        bench.get(job.id)
    assert bench.order() == []
    assert bench.submit(key="key").id != job.id


def test_the_same_key_and_body_give_the_same_job(bench: Bench) -> None:
    first = bench.do(jobs.submit, bench.spec(), idempotency_key="k", body_sha256="a" * 64)
    again = bench.do(jobs.submit, bench.spec(), idempotency_key="k", body_sha256="a" * 64)
    assert (first.created, again.created) == (True, False)
    assert again.job.id == first.job.id
    assert len(bench.read(jobs.list_jobs).jobs) == 1


def test_the_same_key_with_another_body_is_refused(bench: Bench) -> None:
    first = bench.submit(key="k", sha="a" * 64)
    with pytest.raises(IdempotencyConflict, match=f"'k'.*{first.id}"):
        bench.submit(key="k", sha="b" * 64)
    bench.submit(key="from-the-spec")
    with pytest.raises(IdempotencyConflict):
        bench.submit(key="from-the-spec", name="another")


def test_fifty_parallel_submits_with_one_key_make_one_job(bench: Bench) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: bench.do(jobs.submit, bench.spec(), idempotency_key="k"), range(50)))
    assert len({submitted.job.id for submitted in found}) == 1
    assert sum(submitted.created for submitted in found) == 1
    assert len(bench.read(jobs.list_jobs, limit=100).jobs) == 1


def test_cancel_of_a_queued_job_is_at_once(bench: Bench) -> None:
    job = bench.submit()
    cancelled = bench.do(jobs.request_cancel, job.id)
    assert (cancelled.state, cancelled.done, cancelled.queue) == ("cancelled", True, None)
    assert cancelled.finished_at == cancelled.cancel_requested_at
    assert cancelled.version > job.version
    assert bench.order() == []
    assert bench.do(leases.claim, job.id, owner="w", lease_seconds=60) is None


def test_cancel_of_a_running_job_asks_its_worker(bench: Bench) -> None:
    lease = bench.running()
    asked = bench.do(jobs.request_cancel, lease.job_id)
    assert (asked.state, asked.done) == ("cancelling", False)
    again = bench.do(jobs.request_cancel, lease.job_id)
    assert again == asked
    assert bench.do(leases.beat, lease, 60).asked == "cancel"
    assert bench.do(leases.finish_cancelled, lease)
    assert bench.get(lease.job_id).state == "cancelled"
    assert states_of(bench, lease.job_id) == ["queued", "running", "cancelling", "cancelled"]


def ended(bench: Any, state: Any) -> Any:
    lease = bench.running()
    if state == "cancelled":
        bench.do(jobs.request_cancel, lease.job_id)
        bench.do(leases.finish_cancelled, lease)
    elif state == "failed":
        bench.do(leases.fail, lease, {"code": "DATASET_INVALID", "category": "user", "message": "m", "hint": ""})
    else:
        bench.do(leases.succeed, lease, {"metrics": {}})
    return lease.job_id


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_cancel_of_an_ended_job_is_refused_with_a_reason(bench: Bench, state: str) -> None:
    job_id = ended(bench, state)
    with pytest.raises(IllegalTransition, match=f"cannot cancel job {job_id}: it is {state}") as refused:
        bench.do(jobs.request_cancel, job_id)
    assert (refused.value.state, refused.value.action) == (state, "cancel")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_retry_queues_again_with_all_accounts_fresh_but_the_token(bench: Bench, state: str) -> None:
    job_id = ended(bench, state)
    job = bench.do(jobs.retry, job_id)
    assert (job.state, job.error, job.finished_at, job.cancel_requested_at) == ("queued", None, None, None)
    assert (job.runtime_seconds, len(job.attempts)) == (0.0, 1)
    assert bench.order() == [job_id]
    lease = bench.claim(job_id)
    assert (lease.token, lease.attempt) == (2, 2)


@pytest.mark.parametrize("state", ["queued", "running", "cancelling", "succeeded"])
def test_retry_of_any_other_state_is_refused(bench: Bench, state: str) -> None:
    job_id = bench.submit().id if state == "queued" else None
    if state in ("running", "cancelling"):
        job_id = bench.running().job_id
    if state == "cancelling":
        bench.do(jobs.request_cancel, job_id)
    job_id = job_id or ended(bench, state)
    with pytest.raises(IllegalTransition, match=f"it is {state}"):
        bench.do(jobs.retry, job_id)


def test_retry_goes_on_from_the_checkpoint_and_drops_earlier_artifacts(bench: Bench) -> None:
    lease = bench.running()
    sha = bench.blob()
    bench.do(leases.save_checkpoint, lease, sha, "checkpoints/7.pt", 7)
    bench.do(leases.add_artifact, lease, "report.html", "text/html", sha, 7)
    bench.do(leases.fail, lease, {"code": "OUT_OF_MEMORY"})
    bench.do(jobs.retry, lease.job_id)
    assert bench.read(queries.artifacts, lease.job_id) == []
    assert bench.claim(lease.job_id).checkpoints[0].step == 7


@pytest.mark.parametrize("state", ["queued", "running", "cancelling"])
def test_delete_of_a_job_that_has_not_ended_is_refused(bench: Bench, state: str) -> None:
    job_id = bench.submit().id
    if state != "queued":
        bench.claim(job_id)
    if state == "cancelling":
        bench.do(jobs.request_cancel, job_id)
    with pytest.raises(IllegalTransition, match="cancel it first"):
        bench.do(jobs.delete, job_id)


def test_delete_leaves_no_row_and_no_blob_but_what_others_use(bench: Bench) -> None:
    keeper, lease = bench.running(), bench.running(labels={"a": "b"}, name="x")
    mine, ours = bench.blob(b"mine"), bench.blob(b"ours")
    bench.do(leases.add_artifact, keeper, "model", "application/octet-stream", ours, 4)
    bench.do(leases.add_artifact, lease, "model", "application/octet-stream", ours, 4)
    bench.do(leases.save_checkpoint, lease, mine, "c", 1)
    bench.do(leases.record, lease, metrics=[], events=[NewEvent("note")])
    bench.do(leases.succeed, lease, {})
    bench.do(jobs.delete, lease.job_id)
    with bench.database.read() as session:
        for table in metadata.sorted_tables:
            if "job_id" in table.c:
                count = select(func.count()).select_from(table).where(table.c.job_id == lease.job_id)
                assert session.execute(count).scalar_one() == 0, table.name
    assert blobs.collect_garbage(bench.database, grace_seconds=-1) == 1
    assert blobs.size_of(bench.database, ours) == 4
    with pytest.raises(BlobNotFound):
        blobs.size_of(bench.database, mine)
    with pytest.raises(JobNotFound):
        bench.do(jobs.delete, lease.job_id)


def test_pages_are_stable_while_jobs_arrive(bench: Bench) -> None:
    old = [bench.submit().id for _ in range(5)]
    page = bench.read(jobs.list_jobs, limit=2)
    seen = [job.id for job in page.jobs]
    while page.has_more:
        bench.submit()
        page = bench.read(jobs.list_jobs, limit=2, after=page.next_cursor)
        seen += [job.id for job in page.jobs]
    assert seen == sorted(old, reverse=True)
    assert page.next_cursor is None


def test_a_full_last_page_has_no_more(bench: Bench) -> None:
    for _ in range(4):
        bench.submit()
    page = bench.read(jobs.list_jobs, limit=4)
    assert (len(page.jobs), page.has_more, page.next_cursor) == (4, False, None)


def test_filters_by_states_and_labels(bench: Bench) -> None:
    retail = bench.submit(labels={"team": "retail", "tier": "gold"}).id
    other = bench.submit(labels={"team": "retail", "tier": "tin"}).id
    bench.submit(labels={"team": "toys"})
    bench.do(jobs.request_cancel, other)

    def found(**wanted: Any) -> Any:
        return {job.id for job in bench.read(jobs.list_jobs, **wanted).jobs}

    assert found(labels={"team": "retail"}) == {retail, other}
    assert found(labels={"team": "retail", "tier": "gold"}) == {retail}
    assert found(labels={"team": "retail"}, states=["cancelled"]) == {other}
    assert found(states=["queued", "cancelled"], labels={"tier": "bronze"}) == set()
    assert len(found(states=["queued", "cancelled"])) == 3


def test_plans_are_hidden_from_lists_and_counts(bench: Bench) -> None:
    plan = bench.submit(kind="plan")
    job = bench.submit()
    assert [found.id for found in bench.read(jobs.list_jobs).jobs] == [job.id]
    assert bench.read(queries.count_jobs)["queued"] == 1
    assert bench.get(plan.id).kind == "plan"
    assert (bench.get(plan.id).queue.position, bench.get(job.id).queue.position) == (1, 1)


def test_queue_positions_go_by_priority_then_age(bench: Bench) -> None:
    low, first, second = bench.submit(priority=-1), bench.submit(), bench.submit()
    urgent = bench.submit(priority=5)
    bench.do(workers.announce, "w1", host="h", pid=1, devices=["cpu"], version="1", slots=1)
    positions = {job.id: job.queue.position for job in bench.read(jobs.list_jobs).jobs}
    assert positions == {urgent.id: 1, first.id: 2, second.id: 3, low.id: 4}
    bench.claim(urgent.id)
    assert bench.get(first.id).queue == Queue(position=1, eligible_workers=1, reason=None)
    assert bench.get(urgent.id).queue is None


def test_a_queued_job_counts_the_workers_that_have_its_devices(bench: Bench) -> None:
    ids = [bench.submit(training={"devices": devices}).id for devices in ("auto", "cuda", "auto:2", "cuda:3")]
    for number, devices in enumerate((["cpu"], ["H200", "cpu"], ["H200", "H200", "cpu"])):
        bench.do(workers.announce, f"w{number}", host="h", pid=1, devices=devices, version="1", slots=1)
    assert [bench.get(job_id).queue.eligible_workers for job_id in ids] == [3, 2, 2, 0]
    assert [job.queue.eligible_workers for job in reversed(bench.read(jobs.list_jobs).jobs)] == [3, 2, 2, 0]


def test_every_visible_change_raises_the_version(bench: Bench) -> None:
    job = bench.submit()
    versions = [job.version]

    def changed() -> None:
        versions.append(bench.read(jobs.version, job.id))

    lease = bench.claim(job.id)
    changed()
    bench.do(leases.record, lease, phase="training")
    changed()
    bench.do(leases.record, lease, progress={"fraction": 0.5, "updated_at": "2026-11-21T12:00:00Z"})
    changed()
    bench.do(leases.release, lease)
    changed()
    bench.do(jobs.request_cancel, job.id)
    changed()
    bench.do(jobs.retry, job.id)
    changed()
    assert versions == sorted(set(versions))


def test_a_missing_job_is_named(bench: Bench) -> None:
    for function in (jobs.get, jobs.version, jobs.request_cancel, jobs.retry, jobs.delete):
        with pytest.raises(JobNotFound, match="job_NOPE"):
            bench.do(function, "job_NOPE")


def test_ids_rise_with_time(bench: Bench) -> None:
    ids = [bench.submit().id for _ in range(20)]
    assert ids == sorted(ids)
    with bench.database.read() as session:
        by_time = session.execute(select(jobs_table.c.id).order_by(jobs_table.c.created_at, jobs_table.c.id))
        assert by_time.scalars().all() == ids


def test_a_paused_queued_job_is_held_until_it_is_resumed(bench: Bench) -> None:
    job = bench.submit()
    assert bench.do(jobs.request_pause, job.id).state == "paused"
    assert bench.do(jobs.request_pause, job.id).state == "paused"
    assert bench.order() == []
    assert bench.do(leases.claim, job.id, owner="w", lease_seconds=60) is None
    assert not bench.get(job.id).done and bench.get(job.id).queue is None
    assert bench.do(jobs.request_resume, job.id).state == "queued"
    assert bench.claim(job.id).attempt == 1


def test_a_running_job_is_paused_by_its_worker_and_goes_on_from_its_checkpoint(bench: Bench) -> None:
    lease = bench.running()
    assert bench.do(jobs.request_pause, lease.job_id).state == "pausing"
    assert bench.do(leases.beat, lease, 60).asked == bench.read(leases.asked, lease) == "pause"
    with pytest.raises(IllegalTransition, match="pausing"):
        bench.do(jobs.request_resume, lease.job_id)
    bench.do(leases.save_checkpoint, lease, bench.blob(), "checkpoint", 7)
    assert bench.do(leases.finish_paused, lease)
    assert not bench.do(leases.beat, lease, 60).held
    job = bench.get(lease.job_id)
    assert (job.state, job.attempts[0].outcome) == ("paused", "paused")
    bench.do(jobs.request_resume, job.id)
    newer = bench.claim(job.id)
    assert newer.checkpoints[0].step == 7 and newer.token > lease.token


def test_a_paused_job_is_cancelled_at_once_and_a_pausing_one_by_its_worker(bench: Bench) -> None:
    paused = bench.submit()
    bench.do(jobs.request_pause, paused.id)
    assert bench.do(jobs.request_cancel, paused.id).state == "cancelled"
    lease = bench.running()
    bench.do(jobs.request_pause, lease.job_id)
    assert bench.do(jobs.request_cancel, lease.job_id).state == "cancelling"
    assert bench.read(leases.asked, lease) == "cancel"
    assert bench.do(leases.finish_paused, lease)
    assert bench.get(lease.job_id).state == "cancelled"


@pytest.mark.parametrize("ended", ["succeed", "fail"])
def test_what_ends_while_it_is_pausing_has_ended(bench: Bench, ended: str) -> None:
    lease = bench.running()
    bench.do(jobs.request_pause, lease.job_id)
    assert bench.do(getattr(leases, ended), lease, {"code": "INTERNAL"})
    assert bench.get(lease.job_id).state == {"succeed": "succeeded", "fail": "failed"}[ended]
    for action in (jobs.request_pause, jobs.request_resume):
        with pytest.raises(IllegalTransition):
            bench.do(action, lease.job_id)


def test_a_worker_that_stops_or_dies_while_pausing_leaves_a_paused_job(bench: Bench) -> None:
    stopped, dead = bench.running(), bench.running()
    for lease in (stopped, dead):
        bench.do(jobs.request_pause, lease.job_id)
    assert bench.do(leases.release, stopped)
    bench.expire(dead.job_id)
    assert bench.do(reaper.reap, 3) == [dead.job_id]
    assert [bench.get(lease.job_id).state for lease in (stopped, dead)] == ["paused", "paused"]


def test_a_queued_job_says_why_nobody_runs_it(bench: Bench) -> None:
    cpu, gpus = bench.submit().id, bench.submit(training={"devices": "cuda:4"}).id
    plan = bench.submit(kind="plan").id

    def reasons() -> list[Any]:
        return [bench.get(job_id).queue.reason for job_id in (cpu, gpus, plan)]

    assert len(set(reasons())) == 1 and "alive" in reasons()[0]
    worker = {"host": "h", "pid": 1, "version": "1"}
    bench.do(workers.announce, "plans", **worker, devices=["cpu"], slots=0)
    assert reasons()[0] and reasons()[1] and reasons()[2] is None
    bench.do(workers.announce, "small", **worker, devices=["L4", "cpu"], slots=1)
    assert reasons()[0] is None and "cuda:4" in reasons()[1] and "1 GPU" in reasons()[1]
    for name in ("plans", "small"):
        bench.do(workers.announce, name, **worker, devices=["L4", "cpu"], slots=1, draining=True)
    assert all("about to stop" in reason for reason in reasons())
    assert [bench.get(job_id).queue.eligible_workers for job_id in (cpu, gpus, plan)] == [0, 0, 0]
    bench.do(workers.announce, "small", **worker, devices=["L4", "cpu"], slots=1)
    for _ in range(2):
        bench.do(reaper.crashed, bench.claim(cpu), 9, EngineCrashed("SIGSEGV"), 60.0)
    assert bench.get(cpu).queue.eligible_workers == 1 and "may begin at" in reasons()[0]
