"""The Celery app and its one task. A message carries a job's id and nothing else; all truth is in the database."""

import logging
import re
from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps
from kombu import Exchange, Queue

logger = logging.getLogger(__name__)

TASK = "retort.run"
JOB_ID = re.compile(r"job_[0-9A-HJKMNP-TV-Z]{26}")  # a ULID in Crockford's base 32
MEMORY_POLL_SECONDS = 0.1  # the in-process broker has nothing to wait on
BROKER_TIMEOUT_SECONDS = 10.0


def make_app(
    broker_url: str, *, queue: str, key_prefix: str, run: Callable[[str], object], on_stop: Callable[[], object]
) -> Celery:
    """The app of one worker, which consumes `queue` and calls `run(job_id)` for each message; `on_stop` is called when
    the consumer stops for whatever reason, before it waits for what runs.

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
        task_default_queue=queue,
        task_queues=[
            Queue(queue, Exchange(queue, type="direct"), routing_key=queue)  # type: ignore[no-untyped-call]  # kombu
        ],
        task_create_missing_queues=False,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,  # its messages could stop the worker
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # for ever
        broker_connection_timeout=BROKER_TIMEOUT_SECONDS,
        broker_transport_options=_transport_options(broker_url, key_prefix),
    )
    app.task(name=TASK, bind=False)(_task(run))
    app.steps["worker"].add(_step(on_stop))
    return app


def _transport_options(broker_url: str, key_prefix: str) -> dict[str, Any]:
    if broker_url.startswith("memory:"):
        return {"polling_interval": MEMORY_POLL_SECONDS}
    return {
        "global_keyprefix": key_prefix,
        "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
        "socket_timeout": 3 * BROKER_TIMEOUT_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }


def _task(run: Callable[[str], object]) -> Callable[[str], None]:
    def retort_run(job_id: str) -> None:
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
            logger.warning("a message without a job's id was left out: %.100r", job_id)
            return
        run(job_id)

    return retort_run


def _step(on_stop: Callable[[], object]) -> type[bootsteps.StartStopStep]:
    class BeforePool(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
        """Steps stop in reverse order of what they require."""

        requires = ("celery.worker.components:Pool",)

        def stop(self, _worker: Any) -> None:
            on_stop()

    return BeforePool
