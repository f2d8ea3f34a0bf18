"""The folder of stored passes: whole or not there, damage noticed, bounded, the longest unused evicted first."""

import os

import pytest
import torch

from core.teacher_pass.shelf import Shelf

RECORDS, BYTES = 10, 100


def shelf(root, address="a", max_bytes=10**6):
    return Shelf(root, address, num_records=RECORDS, record_bytes=BYTES, max_bytes=max_bytes)


def records(seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (RECORDS, BYTES), generator=draws).to(torch.uint8)


def test_a_view_is_read_back_in_any_order_also_by_another_process(tmp_path):
    one, content = shelf(tmp_path), records()
    assert not one.has(3)
    one.write(3, iter([content[:4], content[4:]]))
    places = torch.tensor([9, 0, 4, 4])
    assert torch.equal(one.read(3, places), content[places])
    other = shelf(tmp_path)
    assert other.has(3) and not other.has(2)
    assert torch.equal(other.read(3, places), content[places])


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_view_is_noticed_and_made_anew(tmp_path, damage):
    shelf(tmp_path).write(0, [records()])
    (path,) = (tmp_path / "a").iterdir()
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-50]), "empty": b""}[damage])
    fresh = shelf(tmp_path)
    assert not fresh.has(0) and not path.exists()
    fresh.write(0, [records()])
    assert torch.equal(fresh.read(0, torch.arange(RECORDS)), records())


def test_a_view_whose_making_fails_is_not_there(tmp_path):
    def breaks():
        yield records()[:5]
        raise InterruptedError

    one = shelf(tmp_path)
    with pytest.raises(InterruptedError):
        one.write(0, breaks())
    assert not one.has(0) and list((tmp_path / "a").iterdir()) == []


def test_the_longest_unused_pass_goes_first_and_one_in_use_stays(tmp_path):
    limit = 3 * (RECORDS * BYTES + 4)
    for age, address in enumerate(("old", "used", "young")):
        one = shelf(tmp_path, address, limit)
        one.write(0, [records()])
        one.close()
        os.utime(tmp_path / address, (age, age))
    reader = shelf(tmp_path, "old", limit)
    assert reader.has(0)
    os.utime(tmp_path / "old", (0, 0))  # the oldest, but open
    newcomer = shelf(tmp_path, "new", limit)
    newcomer.write(0, [records(1)])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"old", "young", "new"}
    reader.close()
    newcomer.write(1, [records(2)])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"young", "new"}
    assert torch.equal(newcomer.read(1, torch.arange(RECORDS)), records(2))
