"""From the outbox to messages."""

from typing import Any

import pytest

from store import leases
from store.database import Database
from worker.dispatcher import Dispatcher
from worker.slots import Slots


class Broker:
    """Takes messages, or refuses them."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.is_away = False

    def send(self, job_id: str) -> None:
        if self.is_away:
            raise ConnectionError("the broker is away")
        self.messages.append(job_id)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def dispatcher(database: Database, broker: Broker, num_gpus: int = 0, **capacity: int) -> Dispatcher:
    return Dispatcher(database, Slots({"job": 1, "plan": 1, **capacity}), num_gpus, broker.send)


def test_it_sends_what_has_a_slot_the_most_urgent_first(database: Database, submit: Any, broker: Broker) -> None:
    submit()
    urgent, plan = submit(more={"priority": 5}), submit("plan")
    assert dispatcher(database, broker).dispatch() == [plan, urgent]
    assert broker.messages == [plan, urgent]


def test_it_sends_nothing_twice_within_a_minute(database: Database, submit: Any, broker: Broker) -> None:
    ids = [submit(), submit()]
    sender = dispatcher(database, broker, job=5)
    assert sender.dispatch() == ids
    assert sender.dispatch() == []
    assert dispatcher(database, broker, job=5).dispatch() == []  # nor does another worker


def test_what_the_broker_refused_is_sent_later(database: Database, submit: Any, broker: Broker) -> None:
    job_id = submit()
    sender = dispatcher(database, broker)
    broker.is_away = True
    with pytest.raises(ConnectionError):
        sender.dispatch()
    broker.is_away = False
    assert sender.dispatch() == [job_id]


def test_a_message_is_marked_after_it_was_sent(database: Database, submit: Any, broker: Broker) -> None:
    """Of two, the second is refused: the first is not sent again, the second is."""
    first, second = submit(), submit()
    slots = Slots({"job": 2, "plan": 1})

    def send(job_id: str) -> None:
        broker.is_away = job_id == second
        broker.send(job_id)

    with pytest.raises(ConnectionError):
        Dispatcher(database, slots, 0, send).dispatch()
    broker.is_away = False
    assert dispatcher(database, broker, job=2).dispatch() == [second]
    assert broker.messages == [first, second]


def test_what_is_claimed_is_not_sent(database: Database, submit: Any, broker: Broker) -> None:
    job_id = submit()
    with database.begin() as session:
        assert leases.claim(session, job_id, owner="w", lease_seconds=60) is not None
    assert dispatcher(database, broker).dispatch() == []


def test_what_asks_for_gpus_is_left_to_a_worker_that_has_them(database: Database, submit: Any, broker: Broker) -> None:
    gpus = {"training": {"devices": "cuda:2"}}
    wide, plan = submit(more={**gpus, "priority": 5}), submit("plan", more=gpus)
    narrow = submit()
    assert dispatcher(database, broker).dispatch() == [narrow]  # nor does it hold up what comes after it
    assert dispatcher(database, broker, num_gpus=1).dispatch() == []
    assert dispatcher(database, broker, num_gpus=2).dispatch() == [plan, wide]
