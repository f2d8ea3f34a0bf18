"""From queued jobs to messages, and what becomes of them without messages."""

from collections import Counter
from typing import Any, cast

import pytest
from sqlalchemy import update

from store import leases
from store.clock import from_now
from store.database import Database
from store.queue_table import queue
from worker import dispatcher as dispatcher_module
from worker.dispatcher import Ability, PrivateDispatcher, SharedDispatcher, Sweep
from worker.doorbell import Doorbell, FreeQueues, all_queues, queues_heard
from worker.hearing import Hearing
from worker.slots import Slots


class Broker:
    """Takes messages, or refuses them."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.room = 99

    def ring(self, queue: str) -> None:
        if len(self.messages) >= self.room:
            raise ConnectionError("the broker is away")
        self.messages.append(queue)

    def count(self, queue: str) -> int:
        return self.messages.count(queue)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def shared(database: Database, broker: Broker) -> SharedDispatcher:
    return SharedDispatcher(database, cast(Doorbell, broker), "retort", 0.0)


def private(database: Database, broker: Broker, num_gpus: int = 0, **capacity: int) -> PrivateDispatcher:
    slots = Slots({"job": 1, "plan": 1, **capacity})
    ability = Ability(num_gpus, None)
    return PrivateDispatcher(database, cast(Doorbell, broker), "retort", slots, Hearing(), ability)


def test_it_rings_for_every_queued_job_at_the_queue_of_its_kind(
    database: Database, submit: Any, broker: Broker
) -> None:
    for devices in ("auto", "cpu:2", "cuda", "cuda:4"):
        submit(more={"training": {"devices": devices}})
    submit("plan"), submit("plan", more={"training": {"devices": "cuda"}})
    assert shared(database, broker).dispatch() == 6
    assert Counter(broker.messages) == {
        "retort.cpu": 2, "retort.gpu": 2, "retort.plans.cpu": 1, "retort.plans.gpu": 1
    }  # fmt: skip
    assert shared(database, broker).dispatch() == 0  # nor does another worker ring again


def test_what_the_broker_refused_is_rung_later_and_the_rest_not_again(
    database: Database, submit: Any, broker: Broker
) -> None:
    submit(), submit()
    broker.room = 1
    with pytest.raises(ConnectionError):
        shared(database, broker).dispatch()
    broker.room = 99
    assert shared(database, broker).dispatch() == 1
    assert len(broker.messages) == 2


def test_what_the_broker_lost_is_rung_again(database: Database, submit: Any, broker: Broker) -> None:
    submit(), submit(more={"training": {"devices": "cuda"}})
    shared(database, broker).dispatch()
    with database.begin() as session:
        session.execute(update(queue).values(rung_at=from_now(-11)))
    broker.messages.remove("retort.gpu")
    assert shared(database, broker).dispatch() == 1
    assert broker.messages == ["retort.cpu", "retort.gpu"]


def test_many_workers_look_together_as_often_as_one(
    database: Database, submit: Any, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module.workers, "count_alive", lambda _: 50)
    sender = SharedDispatcher(database, cast(Doorbell, broker), "retort", 60.0)
    sender.dispatch()
    submit()
    assert sender.dispatch() == 0  # it is not its turn yet


def test_a_worker_alone_rings_for_what_it_has_slots_and_devices_for(
    database: Database, submit: Any, broker: Broker
) -> None:
    wide = {"training": {"devices": "cuda:2"}}
    submit(more=wide), submit("plan", more=wide)
    sender = private(database, broker, job=2)
    assert sender.dispatch() == 0
    submit()
    assert sender.dispatch() == 2 and broker.messages == ["retort.cpu"] * 2
    assert sender.dispatch() == 0  # its slots are promised
    assert private(database, broker, num_gpus=2).dispatch() == 2
    broker.room = 0
    with pytest.raises(ConnectionError):
        (again := private(database, broker)).dispatch()
    broker.room = 99
    assert again.dispatch() == 1  # the slot was not kept


def test_what_is_claimed_is_not_rung(database: Database, submit: Any, broker: Broker) -> None:
    job_id = submit()
    with database.begin() as session:
        assert leases.claim(session, job_id, owner="w", lease_seconds=60) is not None
    assert shared(database, broker).dispatch() == private(database, broker).dispatch() == 0


def test_the_sweep_starts_what_waits_without_a_message(database: Database, submit: Any) -> None:
    submit("plan", more={"training": {"devices": "cuda"}}), submit(), submit()
    slots, hearing, started = Slots({"job": 2, "plan": 1}), Hearing(), []
    sweep = Sweep(database, slots, hearing, Ability(0, None), started.append)
    sweep.look()
    assert started == ["job", "job"]  # the plan needs a worker with GPUs
    sweep.look()
    assert len(started) == 2  # its slots are promised


def test_a_worker_that_hears_no_messages_of_old_jobs_is_deaf(database: Database, submit: Any, broker: Broker) -> None:
    submit()
    shared(database, broker).dispatch()
    hearing = Hearing()
    for heard_long_ago in (False, True, True):
        if heard_long_ago:
            with database.begin() as session:
                session.execute(update(queue).values(rung_at=from_now(-11)))
        Sweep(database, Slots({"job": 1, "plan": 1}), hearing, Ability(0, None), lambda _: None).look()
        assert (hearing.deaf_seconds() > 0) == (len(hearing._expected) > 1)
    assert hearing.deaf_seconds() > 0


def test_a_consumer_asks_only_the_queues_it_has_a_slot_for() -> None:
    slots = Slots({"job": 1, "plan": 1})
    heard = queues_heard("retort", 1)
    assert sorted(heard) == sorted(all_queues("retort"))
    assert sorted(queues_heard("retort", 0)) == ["retort.cpu", "retort.plans.cpu"]
    order = FreeQueues(slots, all_queues("retort"))
    order.update(heard)
    assert order.consume(9) == heard
    order.rotate("retort.cpu")  # a message came from there: the others are asked first
    assert order.consume(9)[-1] == "retort.cpu"
    with slots.enter("job") as entered:
        assert entered
        assert sorted(order.consume(9)) == ["retort.plans.cpu", "retort.plans.gpu"]
    assert len(order.consume(9)) == 4
