"""Slots: promised, entered, lapsed."""

import time

import pytest

from worker import slots as slots_module
from worker.slots import Slots


@pytest.fixture
def slots() -> Slots:
    return Slots({"job": 1, "plan": 1})


def test_a_promise_takes_a_slot_of_its_kind_only(slots: Slots) -> None:
    assert slots.promise("a", "job")
    assert (slots.free("job"), slots.free("plan")) == (0, 1)
    assert not slots.promise("b", "job")
    assert not slots.promise("a", "plan")
    slots.withdraw("a")
    assert slots.free("job") == 1


def test_a_run_holds_the_slot_until_it_ends(slots: Slots) -> None:
    slots.promise("a", "job")
    with slots.enter("a", "job") as entered:
        assert entered and slots.free("job") == 0
        assert not slots.promise("b", "job")
        with slots.enter("a", "job") as again, slots.enter("b", "job") as other:
            assert not again and not other
        assert slots.free("job") == 0
    assert slots.free("job") == 1


def test_a_slot_is_given_back_when_the_run_fails(slots: Slots) -> None:
    with pytest.raises(ZeroDivisionError), slots.enter("a", "job"):
        1 / 0  # noqa: B018
    assert slots.free("job") == 1


def test_a_promise_lapses(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "PROMISE_SECONDS", 0.1)
    slots.promise("a", "job")
    time.sleep(0.15)
    assert slots.free("job") == 1
    assert slots.promise("b", "job")


def test_a_worker_is_deaf_when_messages_never_arrive(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "PROMISE_SECONDS", 0.05)
    slots.promise("a", "job")
    time.sleep(0.1)
    assert slots.undelivered_seconds() == 0  # one message may get lost
    slots.promise("a", "job")
    time.sleep(0.1)
    assert slots.undelivered_seconds() >= 0.2
    with slots.enter("b", "plan"):
        assert slots.undelivered_seconds() == 0
    assert slots.undelivered_seconds() == 0
