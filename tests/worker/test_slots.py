"""Slots: promised, entered, lapsed."""

import time

import pytest

from worker import slots as slots_module
from worker.hearing import Hearing
from worker.slots import Slots


@pytest.fixture
def slots() -> Slots:
    return Slots({"job": 1, "plan": 1})


def test_a_promise_takes_a_slot_of_its_kind_only(slots: Slots) -> None:
    assert slots.promise("job")
    assert (slots.free("job"), slots.free("plan")) == (0, 1)
    assert not slots.promise("job")
    slots.withdraw("job")
    assert slots.free("job") == 1


def test_work_holds_the_slot_until_it_ends(slots: Slots) -> None:
    slots.promise("job")
    with slots.enter("job") as entered:
        assert entered and slots.free("job") == 0 and not slots.is_idle()
        assert not slots.promise("job")
        with slots.enter("job") as other:
            assert not other
        assert slots.free("job") == 0
    assert slots.free("job") == 1 and slots.is_idle()


def test_a_slot_is_given_back_when_the_work_fails(slots: Slots) -> None:
    with pytest.raises(ZeroDivisionError), slots.enter("job"):
        1 / 0  # noqa: B018
    assert slots.free("job") == 1


def test_a_promise_lapses(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "PROMISE_SECONDS", 0.1)
    slots.promise("job")
    time.sleep(0.15)
    assert slots.free("job") == 1
    assert slots.promise("job")


def test_a_worker_that_takes_no_jobs_has_no_free_slot() -> None:
    is_open = True
    slots = Slots({"job": 2, "plan": 1}, lambda: is_open)
    assert slots.promise("job")
    is_open = False
    assert slots.free("job") == 0 and not slots.promise("job")
    with slots.enter("job") as entered:
        assert not entered
    is_open = True
    assert slots.free("job") == 1


def test_a_worker_is_deaf_when_messages_never_arrive() -> None:
    hearing = Hearing()
    hearing.expected()
    time.sleep(0.05)
    assert hearing.deaf_seconds() == 0  # one message may get lost
    hearing.expected()
    assert 0.05 <= hearing.deaf_seconds() < 5
    hearing.heard()
    assert hearing.deaf_seconds() == 0
