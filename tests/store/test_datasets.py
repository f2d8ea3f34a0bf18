"""Uploaded datasets: received in parts, whole when checked, dropped without a trace. On SQLite and PostgreSQL."""

import hashlib
import io
from typing import Any

import pytest
from sqlalchemy import update

from store import blobs, datasets, quotas, retention
from store.callers import Caller, Limits
from store.clock import from_now
from store.dataset_tables import datasets as table
from store.datasets import Dataset
from store.errors import DatasetDamaged, DatasetInUse, DatasetNotFound, OffsetConflict, QuotaExceeded
from store.settings import Settings
from tests.store.conftest import Bench

CONTENT = b"abcdefghij" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OWNER = Caller("default", "ci", "submit")


def begin(bench: Bench, caller: Caller = OWNER, **facts: Any) -> Dataset:
    named = {"name": "photos", "filename": "photos.tar", "size_bytes": len(CONTENT), **facts}
    dataset, _ = bench.do(datasets.begin, caller, **named)
    return dataset  # type: ignore[no-any-return]


def send(bench: Bench, dataset: Dataset, content: bytes, offset: int) -> int:
    part = blobs.put(bench.database, io.BytesIO(content))
    return bench.do(datasets.append, "default", dataset.id, part, offset=offset)  # type: ignore[no-any-return]


def test_parts_become_one_file(bench: Bench) -> None:
    dataset = begin(bench)
    assert dataset.state == "uploading"
    assert send(bench, dataset, CONTENT[:3000], 0) == 3000
    assert datasets.complete(bench.database, "default", dataset.id).state == "uploading"
    # The same bytes may come twice within a file: equal parts are one blob.
    assert send(bench, dataset, CONTENT[3000:6000], 3000) == 6000
    assert send(bench, dataset, CONTENT[6000:], 6000) == len(CONTENT)
    ready = datasets.complete(bench.database, "default", dataset.id)
    assert (ready.state, ready.sha256) == ("ready", SHA256)
    assert b"".join(datasets.read(bench.database, dataset.id)) == CONTENT


@pytest.mark.parametrize(("size", "offset"), [(10, 5), (10, 4000), (len(CONTENT) - 2999, 3000)])
def test_a_part_that_does_not_follow_or_goes_beyond_the_end_is_refused(bench: Bench, size: int, offset: int) -> None:
    dataset = begin(bench)
    send(bench, dataset, CONTENT[:3000], 0)
    with pytest.raises(OffsetConflict) as refused:
        send(bench, dataset, b"x" * size, offset)
    assert refused.value.expected == 3000
    assert b"".join(datasets.read(bench.database, dataset.id)) == CONTENT[:3000]


def test_other_bytes_than_announced_are_removed(bench: Bench) -> None:
    dataset = begin(bench, sha256=SHA256)
    send(bench, dataset, b"z" * len(CONTENT), 0)
    with pytest.raises(DatasetDamaged):
        datasets.complete(bench.database, "default", dataset.id)
    with pytest.raises(DatasetNotFound):
        bench.read(datasets.get, "default", dataset.id)


def test_known_content_is_not_uploaded_twice_but_by_another_tenant(bench: Bench) -> None:
    first = begin(bench, sha256=SHA256)
    send(bench, first, CONTENT[:100], 0)
    again = begin(bench, sha256=SHA256)
    assert (again.id, again.received_bytes) == (first.id, 100)
    assert begin(bench, Caller("other", "ci", "submit"), sha256=SHA256).id != first.id
    assert begin(bench).id != first.id


def test_of_another_tenant_it_does_not_exist(bench: Bench) -> None:
    dataset = begin(bench)
    for call in (datasets.get, datasets.remove):
        with pytest.raises(DatasetNotFound):
            bench.do(call, "other", dataset.id)
    with pytest.raises(DatasetNotFound):
        bench.do(datasets.append, "other", dataset.id, blobs.put(bench.database, io.BytesIO(b"x")), offset=0)
    assert bench.read(datasets.list_datasets, "other", limit=9) == []


def test_its_bytes_go_with_it_and_not_before(bench: Bench) -> None:
    dataset = begin(bench)
    send(bench, dataset, CONTENT, 0)
    datasets.complete(bench.database, "default", dataset.id)
    assert blobs.collect_garbage(bench.database, grace_seconds=0) == 0
    bench.do(datasets.remove, "default", dataset.id)
    assert blobs.collect_garbage(bench.database, grace_seconds=0) == 1


@pytest.mark.parametrize("field", ["uri", "target_uri"])
def test_a_job_that_has_not_ended_keeps_it(bench: Bench, field: str) -> None:
    dataset = begin(bench)
    named = {"uri": "builtin:digits", field: dataset.uri}
    method = {"method": "kd_uda"} if field == "target_uri" else {}
    job = bench.submit(dataset=named, **method)
    with pytest.raises(DatasetInUse, match=job.id):
        bench.do(datasets.remove, "default", dataset.id)


def test_uploads_that_nobody_goes_on_with_are_forgotten(bench: Bench) -> None:
    old, new, ready = begin(bench), begin(bench), begin(bench)
    for dataset in (old, ready):
        send(bench, dataset, CONTENT, 0)
    datasets.complete(bench.database, "default", ready.id)
    stale = update(table).where(table.c.id.in_([old.id, ready.id])).values(updated_at=from_now(-100))
    with bench.database.begin() as session:
        session.execute(stale)
    removed = retention.sweep(bench.database, retention.rules(Settings(upload_seconds=60)))
    assert {one.kind: one.removed_count for one in removed}["unfinished uploads"] == 1
    assert {one.id for one in bench.read(datasets.list_datasets, "default", limit=9)} == {new.id, ready.id}


def test_they_count_as_stored_bytes(bench: Bench) -> None:
    begin(bench)
    bench.do(quotas.check_upload, OWNER, Limits(max_stored_bytes=len(CONTENT)))
    with pytest.raises(QuotaExceeded):
        bench.do(quotas.check_upload, OWNER, Limits(max_stored_bytes=len(CONTENT) - 1))
    bench.do(quotas.check_submit, OWNER, Limits(max_stored_bytes=len(CONTENT) + 1))
    with pytest.raises(QuotaExceeded):
        bench.do(quotas.check_submit, OWNER, Limits(max_stored_bytes=len(CONTENT)))
