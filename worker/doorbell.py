"""The broker's queues, which all workers of one capability share, and the messages in them.

A message is a doorbell: it says that a job was queued, and not which one. Whoever hears it claims the most deserving
job that it can run. `retort.cpu` rings for jobs that run on every worker, `retort.gpu` for those that ask for GPUs.
Plans have queues of their own, so that a worker whose slots for jobs are full still hears them.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery
from kombu.exceptions import ChannelError

from store.states import KINDS, Kind
from worker.slots import Slots

logger = logging.getLogger(__name__)

TASK = "retort.wake"
CAPABILITIES = ("cpu", "gpu")
PLANS: Mapping[Kind, str] = {"job": "", "plan": "plans."}


def queue_name(prefix: str, kind: Kind, devices: str) -> str:
    """Where to ring for a queued job that asks for these devices."""
    return _name(prefix, kind, "gpu" if devices.startswith("cuda") else "cpu")


def all_queues(prefix: str) -> dict[str, Kind]:
    """The names of all queues, with what they ring for."""
    return {_name(prefix, kind, capability): kind for kind in KINDS for capability in CAPABILITIES}


def queues_heard(prefix: str, num_gpus: int) -> list[str]:
    """The names of the queues that a worker with so many GPUs listens to."""
    heard = CAPABILITIES if num_gpus else CAPABILITIES[:1]
    return [_name(prefix, kind, capability) for kind in KINDS for capability in heard]


def _name(prefix: str, kind: Kind, capability: str) -> str:
    return f"{prefix}.{PLANS[kind]}{capability}"


class Doorbell:
    """Rings the bells of an app's broker. `is_shared`: other workers hear them too, as with every broker but memory."""

    def __init__(self, app: Celery, *, is_shared: bool) -> None:
        self._app = app
        self.is_shared = is_shared

    def ring(self, queue: str) -> None:
        """Send one message; raises where the broker does not take it."""
        self._app.send_task(TASK, args=(queue,), queue=queue, retry=False)

    def pass_on(self, queue: str) -> None:
        """A message came that this worker cannot answer: let another one hear it."""
        if self.is_shared:
            self.ring(queue)

    def take(self, queue: str) -> None:
        """Remove the message of a job that was claimed without hearing one, so that there are as many messages as jobs
        that wait. A message too many is harmless; so a broker that is away is left alone."""
        if self.is_shared:  # on a thread: the job begins, whatever the broker does
            threading.Thread(target=self._take, args=(queue,), name="take-message", daemon=True).start()

    def _take(self, queue: str) -> None:
        try:
            with self._app.connection_for_read() as connection, connection.channel() as channel:
                channel.basic_get(queue, no_ack=True)
        except Exception as error:
            logger.info("a message of %s stays in the broker: %s", queue, type(error).__name__)

    def count(self, queue: str) -> int:
        """How many messages wait in a queue."""
        with self._app.connection_for_read() as connection, connection.channel() as channel:
            asked = self._app.amqp.queues[queue](channel)
            try:
                return int(asked.queue_declare(passive=True).message_count)
            except ChannelError:  # Redis has no empty lists
                return 0


class FreeQueues:
    """Which queues a consumer on Redis asks for its next message (`queue_order_strategy` of kombu): those for which the
    worker has a free slot, in turn. So no worker holds a message that another one could answer."""

    def __init__(self, slots: Slots, kinds: Mapping[str, Kind]) -> None:
        self._slots = slots
        self._kinds = kinds
        self._names: list[str] = []

    def update(self, names: Sequence[str]) -> None:
        """The queues that are listened to."""
        self._names = list(names)

    def consume(self, num_queues: int) -> list[str]:
        """The first of them that a slot is free for."""
        free: Any = {kind: self._slots.free(kind) for kind in KINDS}
        return [name for name in self._names if free[self._kinds[name]]][:num_queues]

    def rotate(self, last_used: str) -> str:
        """A message came from this queue: the others are asked first."""
        if last_used in self._names:
            self._names.remove(last_used)
            self._names.append(last_used)
        return last_used
