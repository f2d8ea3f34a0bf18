"""The name, labels and priority of a stored job can be changed."""

from typing import Any

import pytest

from core.errors import SpecInvalid
from core.spec import parse_change
from store import changes, jobs, leases, queries
from store.errors import IllegalTransition, JobNotFound, VersionConflict
from tests.store.conftest import Bench


def change(bench: Bench, job_id: str, versions: frozenset[int] | None = None, **wanted: Any) -> Any:
    return bench.do(changes.change, job_id, parse_change(wanted), versions=versions)


def test_a_higher_priority_brings_a_queued_job_forward(bench: Bench) -> None:
    first, second = bench.submit(), bench.submit()
    assert bench.get(second.id).queue.position == 2
    changed = change(bench, second.id, priority=5)
    assert (changed.priority, changed.spec["priority"], changed.queue.position) == (5, 5, 1)
    assert changed.version > second.version
    assert bench.get(first.id).queue.position == 2
    bench.do(jobs.request_pause, second.id)
    assert change(bench, second.id, priority=-5).priority == -5
    assert bench.do(jobs.request_resume, second.id).queue.position == 2


def test_the_priority_of_a_job_that_does_not_wait_is_refused(bench: Bench) -> None:
    lease = bench.running()
    with pytest.raises(IllegalTransition):
        change(bench, lease.job_id, priority=5)
    assert change(bench, lease.job_id, priority=0, name="same priority").name == "same priority"
    bench.do(leases.succeed, lease, {})
    with pytest.raises(IllegalTransition):
        change(bench, lease.job_id, priority=5)


def test_labels_are_set_and_removed_one_by_one_and_searched_by_as_they_are_now(bench: Bench) -> None:
    job = bench.submit(labels={"team": "retail", "draft": "yes"})
    changed = change(bench, job.id, name="shelf", labels={"draft": None, "tier": "gold", "unknown": None})
    assert (changed.name, changed.labels) == ("shelf", {"team": "retail", "tier": "gold"})
    assert changed.spec["labels"] == changed.labels and changed.spec["name"] == "shelf"
    found = [len(bench.read(jobs.list_jobs, labels=dict([pair])).jobs) for pair in (("draft", "yes"), ("tier", "gold"))]
    assert found == [0, 1]
    lease = bench.claim(job.id)
    assert lease.spec["labels"] == changed.labels
    bench.do(leases.record, lease, resolved={"spec": {**lease.spec, "name": "of an older moment"}, "student": None})
    assert bench.get(job.id).spec["name"] == "shelf"


def test_a_change_is_told_as_an_event_and_nothing_is_told_where_nothing_changes(bench: Bench) -> None:
    job = bench.submit(name="a")
    assert change(bench, job.id, name="a", labels={"no": None}) == job
    change(bench, job.id, name="b")
    events = bench.read(queries.events, job.id)
    assert [(event.kind, event.data) for event in events][1:] == [("changed", {"name": "b"})]


def test_a_change_of_a_version_that_is_gone_is_refused(bench: Bench) -> None:
    job = bench.submit()
    newer = change(bench, job.id, frozenset({job.version}), name="b")
    with pytest.raises(VersionConflict):
        change(bench, job.id, frozenset({job.version}), name="c")
    assert bench.get(job.id) == newer
    with pytest.raises(JobNotFound):
        change(bench, "job_nope", name="c")


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"prioritty": 1}, "/prioritty"), ({"priority": 101}, "/priority"), ({"priority": "1"}, "/priority"),
        ({"name": 3}, "/name"), ({"name": "x" * 201}, "/name"), ({"labels": {"a": 1}}, "/labels/a"),
        ({"labels": {str(number): None for number in range(65)}}, "/labels"), ({"spec": {}}, "/spec"), ([], ""),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_is_named(wanted: Any, pointer: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        parse_change(wanted)
    assert [place for place, _ in refused.value.errors] == [pointer]


def test_changes_never_add_up_to_too_many_labels(bench: Bench) -> None:
    job = bench.submit(labels={str(number): "x" for number in range(60)})
    with pytest.raises(SpecInvalid, match="65"):
        change(bench, job.id, labels={f"more {number}": "x" for number in range(5)})
