"""The Celery app and its one task. A message names its queue and nothing else; all truth is in the database."""

import logging
from collections.abc import Callable, Collection
from typing import Any

from celery import Celery, bootsteps
from kombu import Exchange, Queue

from worker.doorbell import TASK, FreeQueues

logger = logging.getLogger(__name__)

MEMORY_POLL_SECONDS = 0.1  # the in-process broker has nothing to wait on
BROKER_TIMEOUT_SECONDS = 10.0


def make_app(
    broker_url: str,
    *,
    queues: Collection[str],
    key_prefix: str,
    order: Callable[[], FreeQueues],
    wake: Callable[[str], object],
    on_stop: Callable[[], object],
) -> Celery:
    """The app of one worker, which calls `wake(queue)` for each message in one of the queues; `on_stop` is called when
    the consumer stops for whatever reason, before it waits for what runs. `order` chooses the queues on Redis.

    Early acknowledgement, no result backend, no retries: a message is a doorbell, and what a dead worker leaves is
    found by the reaper, not redelivered by the broker.
    """
    broker_url = "memory://localhost" if broker_url == "memory://" else broker_url  # kombu warns about a missing host
    app = Celery("retort", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        accept_content=["json"],
        task_serializer="json",
        task_default_queue=next(iter(queues)),
        task_queues=[_queue(name) for name in queues],
        task_create_missing_queues=False,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,  # its messages could stop the worker
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # for ever
        broker_connection_timeout=BROKER_TIMEOUT_SECONDS,
        broker_transport_options=_transport_options(broker_url, key_prefix, order),
    )
    app.task(name=TASK, bind=False)(_task(wake, queues))
    app.steps["worker"].add(_step(on_stop))
    return app


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name, type="direct"), routing_key=name)  # type: ignore[no-untyped-call]  # kombu


def _transport_options(broker_url: str, key_prefix: str, order: Callable[[], FreeQueues]) -> dict[str, Any]:
    if broker_url.startswith("memory:"):
        return {"polling_interval": MEMORY_POLL_SECONDS}
    return {
        "global_keyprefix": key_prefix,
        "queue_order_strategy": order,
        "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
        "socket_timeout": 3 * BROKER_TIMEOUT_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }


def _task(wake: Callable[[str], object], queues: Collection[str]) -> Callable[[str], None]:
    def retort_wake(queue: str) -> None:
        if not isinstance(queue, str) or queue not in queues:
            logger.warning("a message that names no queue of ours was left out: %.100r", queue)
            return
        wake(queue)

    return retort_wake


def _step(on_stop: Callable[[], object]) -> type[bootsteps.StartStopStep]:
    class BeforePool(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
        """Steps stop in reverse order of what they require."""

        requires = ("celery.worker.components:Pool",)

        def stop(self, _worker: Any) -> None:
            on_stop()

    return BeforePool
