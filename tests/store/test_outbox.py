"""Messages wait for their job's commit, leave in order, and leave again when nobody answered."""

from typing import Any

from sqlalchemy import update

from store import leases, outbox
from store.clock import from_now
from store.tables import outbox as outbox_table
from store.values import Dispatch
from tests.store.conftest import Bench


def waiting(bench: Any, **options: Any) -> list[Any]:
    return [dispatch.job_id for dispatch in bench.read(outbox.dispatchable, **{"limit": 99, **options})]


def test_the_urgent_first_then_the_oldest(bench: Bench) -> None:
    low, first, second, urgent = (bench.submit(priority=priority).id for priority in (-5, 0, 0, 9))
    assert waiting(bench) == [urgent, first, second, low]
    assert waiting(bench, limit=2) == [urgent, first]


def test_plans_and_jobs_can_be_told_apart(bench: Bench) -> None:
    job, plan = bench.submit().id, bench.submit(kind="plan").id
    assert bench.read(outbox.dispatchable, limit=9) == [Dispatch(job, "job"), Dispatch(plan, "plan")]
    assert (waiting(bench, kind="job"), waiting(bench, kind="plan")) == ([job], [plan])


def test_what_asks_for_gpus_waits_for_a_worker_that_has_them(bench: Bench) -> None:
    asked = ("auto", "cpu:2", "auto:2", "cuda", "cuda:2", "auto:99", "cuda:99")
    of_id = {bench.submit(training={"devices": devices}).id: devices for devices in asked}
    for num_gpus, fitting in (
        (0, {"auto", "cpu:2", "auto:2", "auto:99"}),
        (1, {"auto", "cpu:2", "cuda"}),
        (2, {"auto", "cpu:2", "cuda", "auto:2", "cuda:2"}),
        (99, set(asked)),
    ):
        assert {of_id[job_id] for job_id in waiting(bench, num_gpus=num_gpus)} == fitting
        assert len(waiting(bench, num_gpus=num_gpus, limit=2)) == 2  # what does not fit takes no place
    assert len(waiting(bench)) == len(asked)


def test_what_was_sent_is_sent_again_only_after_a_minute(bench: Bench) -> None:
    old, fresh = bench.submit().id, bench.submit().id
    bench.do(outbox.mark_sent, [old, fresh])
    assert waiting(bench) == []
    with bench.database.begin() as session:
        session.execute(update(outbox_table).where(outbox_table.c.job_id == old).values(sent_at=from_now(-61)))
        session.execute(update(outbox_table).where(outbox_table.c.job_id == fresh).values(sent_at=from_now(-59)))
    assert waiting(bench) == [old]
    bench.do(outbox.mark_sent, [old])
    assert waiting(bench) == []


def test_a_job_that_came_back_is_sent_at_once(bench: Bench) -> None:
    job_id = bench.submit().id
    bench.do(outbox.mark_sent, [job_id])
    bench.do(leases.release, bench.claim(job_id))
    assert waiting(bench) == [job_id]


def test_a_message_of_a_claimed_job_is_gone_even_if_it_is_marked_late(bench: Bench) -> None:
    lease = bench.running()
    bench.do(outbox.mark_sent, [lease.job_id])
    assert waiting(bench, resend_seconds=-1) == []


def test_forgetting_sends_all_that_waits_again(bench: Bench) -> None:
    first, second = bench.submit().id, bench.submit().id
    bench.do(outbox.mark_sent, [first, second])
    assert bench.do(outbox.forget_sends) == 2
    assert waiting(bench) == [first, second]
