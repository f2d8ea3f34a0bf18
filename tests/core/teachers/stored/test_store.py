"""The folder of stored passes: whole or not there, damage noticed, bounded, the longest unused evicted first."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.teachers.stored.store import NoRoom, PassStore

RECORDS, BYTES = 10, 100
VIEW_BYTES = RECORDS * BYTES + 4


def store(root: Any, address: str = "a", max_bytes: Any = 10**6) -> PassStore:
    return PassStore(root, address, num_records=RECORDS, record_bytes=BYTES, max_bytes=max_bytes)


def records(seed: int = 0) -> Any:
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (RECORDS, BYTES), generator=draws).to(torch.uint8)


def test_a_view_is_read_back_in_any_order_also_by_another_process(tmp_path: Path) -> None:
    one, content = store(tmp_path), records()
    assert not one.has(3)
    one.write(3, iter([content[:4], content[4:]]))
    places = torch.tensor([9, 0, 4, 4])
    assert torch.equal(one.read(3, places), content[places])
    other = store(tmp_path)
    assert other.has(3) and not other.has(2)
    assert torch.equal(other.read(3, places), content[places])


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_view_is_noticed_and_made_anew(tmp_path: Path, damage: str) -> None:
    store(tmp_path).write(0, [records()])
    (path,) = (tmp_path / "a").iterdir()
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-50]), "empty": b""}[damage])
    fresh = store(tmp_path)
    assert not fresh.has(0) and not path.exists()
    fresh.write(0, [records()])
    assert torch.equal(fresh.read(0, torch.arange(RECORDS)), records())


def test_a_view_whose_making_fails_is_not_there(tmp_path: Path) -> None:
    def breaks() -> Iterator[Any]:
        yield records()[:5]
        raise InterruptedError

    one = store(tmp_path)
    with pytest.raises(InterruptedError):
        one.write(0, breaks())
    assert not one.has(0) and list((tmp_path / "a").iterdir()) == []


def test_the_longest_unused_pass_goes_first_and_one_in_use_stays(tmp_path: Path) -> None:
    limit = 3 * VIEW_BYTES
    for age, address in enumerate(("old", "used", "young")):
        one = store(tmp_path, address, limit)
        one.write(0, [records()])
        one.close()
        os.utime(tmp_path / address, (age, age))
    reader = store(tmp_path, "old", limit)
    assert reader.has(0)
    os.utime(tmp_path / "old", (0, 0))  # the oldest, but open
    newcomer = store(tmp_path, "new", limit)
    newcomer.write(0, [records(1)])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"old", "young", "new"}
    reader.close()
    newcomer.write(1, [records(2)])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"young", "new"}
    assert torch.equal(newcomer.read(1, torch.arange(RECORDS)), records(2))


def bytes_below(root: Any) -> Any:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def unasked() -> Iterator[Any]:
    raise AssertionError("the teacher was asked for a view that has no room")
    yield


def test_what_is_in_use_stays_and_the_limit_is_kept_all_the_same(tmp_path: Path) -> None:
    limit = 4 * VIEW_BYTES - 1
    one, other = store(tmp_path, "one", limit), store(tmp_path, "other", limit)
    one.write(0, [records()])
    other.write(0, [records()])
    unused = store(tmp_path, "unused", limit)
    unused.write(0, [records()])
    unused.close()
    one.write(1, [records(1)])
    assert not (tmp_path / "unused").exists()
    with pytest.raises(NoRoom, match="less than the 1,004 bytes"):
        other.write(1, unasked())
    assert not other.has(1) and bytes_below(tmp_path) == 3 * VIEW_BYTES
    one.close()
    other.write(1, [records(1)])
    assert other.has(1) and bytes_below(tmp_path) == 2 * VIEW_BYTES


def test_nothing_is_evicted_where_that_would_not_be_enough(tmp_path: Path) -> None:
    limit = 2 * VIEW_BYTES
    small, used = (
        PassStore(tmp_path, "small", num_records=1, record_bytes=BYTES, max_bytes=limit),
        store(tmp_path, "used"),
    )
    small.write(0, [records()[:1]])
    small.close()
    used.write(0, [records()])
    used.write(1, [records()])
    with pytest.raises(NoRoom):
        store(tmp_path, "new", limit).write(0, unasked())
    assert (tmp_path / "small" / "view-0000").exists()


def test_a_view_takes_its_room_before_its_first_record(tmp_path: Path) -> None:
    one, other = store(tmp_path, "one", VIEW_BYTES), store(tmp_path, "other", VIEW_BYTES)

    def pieces() -> Iterator[Any]:
        with pytest.raises(NoRoom):
            other.write(0, unasked())
        yield records()

    one.write(0, pieces())
    assert torch.equal(one.read(0, torch.arange(RECORDS)), records())


def test_what_a_dead_job_left_half_written_goes_once_nobody_can_be_writing(tmp_path: Path) -> None:
    reader = store(tmp_path)
    reader.write(0, [records()])
    left = tmp_path / "a" / ".0123.part"
    left.write_bytes(b"half")
    store(tmp_path).close()
    assert left.exists(), "another job has the pass, and may be writing it"
    reader.close()
    again = store(tmp_path)
    assert not left.exists() and again.has(0)


def test_a_file_that_is_gone_when_it_is_looked_at_does_no_harm_and_the_others_count(tmp_path: Path) -> None:
    held = store(tmp_path, "held", VIEW_BYTES)
    held.write(0, [records()])
    for number in range(20):
        (held.folder / f"gone-{number}").symlink_to(tmp_path / "nothing")
    with pytest.raises(NoRoom):
        store(tmp_path, "new", VIEW_BYTES).write(0, unasked())


def test_passes_that_others_evict_meanwhile_do_no_harm(tmp_path: Path) -> None:
    one, ends = store(tmp_path), threading.Event()
    passes = [tmp_path / f"pass-{number}" for number in range(20)]

    def come_and_go() -> None:
        while not ends.is_set():
            for folder in passes:
                folder.mkdir()
            for folder in passes:
                folder.rmdir()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for view in range(100):
            one.write(view, [records(view)])
    finally:
        ends.set()
        thread.join()
    assert all(one.has(view) for view in range(100))
