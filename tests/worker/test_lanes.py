"""Slots: promised, entered, lapsed."""

import time

import pytest

from worker import lanes as lanes_module
from worker.lanes import Lanes


@pytest.fixture
def lanes() -> Lanes:
    return Lanes({"job": 1, "plan": 1})


def test_a_promise_takes_the_slot_of_its_lane_only(lanes: Lanes) -> None:
    assert lanes.promise("a", "job")
    assert (lanes.free("job"), lanes.free("plan")) == (0, 1)
    assert not lanes.promise("b", "job")
    assert not lanes.promise("a", "plan")
    lanes.withdraw("a")
    assert lanes.free("job") == 1


def test_a_run_holds_the_slot_until_it_ends(lanes: Lanes) -> None:
    lanes.promise("a", "job")
    with lanes.enter("a", "job") as entered:
        assert entered and lanes.free("job") == 0
        assert not lanes.promise("b", "job")
        with lanes.enter("a", "job") as again, lanes.enter("b", "job") as other:
            assert not again and not other
        assert lanes.free("job") == 0
    assert lanes.free("job") == 1


def test_a_slot_is_given_back_when_the_run_fails(lanes: Lanes) -> None:
    with pytest.raises(ZeroDivisionError), lanes.enter("a", "job"):
        1 / 0  # noqa: B018
    assert lanes.free("job") == 1


def test_a_promise_lapses(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "PROMISE_SECONDS", 0.1)
    lanes.promise("a", "job")
    time.sleep(0.15)
    assert lanes.free("job") == 1
    assert lanes.promise("b", "job")


def test_a_worker_is_deaf_when_messages_never_arrive(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "PROMISE_SECONDS", 0.05)
    lanes.promise("a", "job")
    time.sleep(0.1)
    assert lanes.deaf_seconds() == 0  # one message may get lost
    lanes.promise("a", "job")
    time.sleep(0.1)
    assert lanes.deaf_seconds() >= 0.2
    with lanes.enter("b", "plan"):
        assert lanes.deaf_seconds() == 0
    assert lanes.deaf_seconds() == 0
