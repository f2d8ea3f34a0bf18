"""The order of the queue: the tenant with the fewest running jobs first, priority within a tenant; and the limits."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from store import jobs, keys, leases
from store.callers import Caller, Limits
from store.errors import QuotaExceeded
from tests.store.conftest import Bench

RETAIL, WHOLESALE = Caller("retail", "r", "submit"), Caller("wholesale", "w", "submit")


def submit(bench: Bench, caller: Caller, **fields: Any) -> str:
    of_tenant = fields.pop("of_tenant", Limits())
    return str(bench.do(jobs.submit, bench.spec(**fields), caller=caller, of_tenant=of_tenant).job.id)


def test_one_tenant_cannot_crowd_the_other_out(bench: Bench) -> None:
    many = [submit(bench, RETAIL, priority=9) for _ in range(4)]
    few = [submit(bench, WHOLESALE) for _ in range(2)]
    expected = [many[0], few[0], many[1], few[1], many[2], many[3]]
    assert bench.order() == expected
    assert [bench.get(job_id).queue.position for job_id in expected] == [1, 2, 3, 4, 5, 6]


def test_the_tenant_with_the_fewest_running_jobs_is_next(bench: Bench) -> None:
    running = [submit(bench, RETAIL) for _ in range(2)]
    for job_id in running:
        bench.claim(job_id)
    urgent = submit(bench, RETAIL, priority=9)
    waiting = [submit(bench, WHOLESALE) for _ in range(3)]
    assert bench.order() == [waiting[0], waiting[1], urgent, waiting[2]]


def test_priority_and_age_decide_within_a_tenant(bench: Bench) -> None:
    low, high, old = submit(bench, RETAIL), submit(bench, RETAIL, priority=5), submit(bench, RETAIL)
    assert bench.order() == [high, low, old]
    assert [bench.get(job_id).queue.position for job_id in (high, low, old)] == [1, 2, 3]


def test_no_more_jobs_of_a_tenant_or_a_key_start_than_are_allowed(bench: Bench) -> None:
    _, text = bench.do(keys.create, tenant="retail", name="ci", scope="submit", limits=Limits(max_running_jobs=1))
    by_key = bench.read(keys.find_caller, text)
    mine = [submit(bench, by_key) for _ in range(2)]
    others = [submit(bench, RETAIL) for _ in range(3)]
    assert bench.order() == [mine[0], *others]
    assert bench.order(max_running=2) == [mine[0], others[0]]  # what one key may not, another may
    bench.claim(mine[0])
    assert bench.order() == others
    assert bench.order(max_running=1) == []


def test_a_full_queue_refuses_the_next_job_of_the_tenant_alone(bench: Bench) -> None:
    full = Limits(max_queued_jobs=2)
    first = submit(bench, RETAIL, of_tenant=full)
    submit(bench, RETAIL, of_tenant=full)
    with pytest.raises(QuotaExceeded, match=r"'retail' has 2 queued jobs; allowed are 2"):
        submit(bench, RETAIL, of_tenant=full)
    submit(bench, WHOLESALE, of_tenant=full)
    bench.claim(first)
    submit(bench, RETAIL, of_tenant=full)


def test_submissions_at_once_do_not_pass_the_limit_together(bench: Bench) -> None:
    def one(_: int) -> bool:
        try:
            return bool(submit(bench, RETAIL, of_tenant=Limits(max_queued_jobs=3)))
        except QuotaExceeded:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(12))) == 3


def test_stored_bytes_of_a_tenant_and_of_a_key_count(bench: Bench) -> None:
    _, text = bench.do(keys.create, tenant="retail", name="ci", scope="submit", limits=Limits(max_stored_bytes=8))
    by_key = bench.read(keys.find_caller, text)
    lease = bench.claim(submit(bench, by_key))
    facts = {"media_type": "text/plain", "sha256": bench.blob(b"12345678"), "size_bytes": 8}
    assert bench.do(leases.add_artifact, lease, name="a", **facts)
    with pytest.raises(QuotaExceeded, match="stores 8 bytes"):
        submit(bench, by_key)
    with pytest.raises(QuotaExceeded, match="'retail' stores 8 bytes"):
        submit(bench, RETAIL, of_tenant=Limits(max_stored_bytes=8))
    submit(bench, RETAIL, of_tenant=Limits(max_stored_bytes=9))
    submit(bench, WHOLESALE, of_tenant=Limits(max_stored_bytes=8))
