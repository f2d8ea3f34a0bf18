"""One worker process: its threads, its Celery consumer, and how it stops."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType

from celery.worker import state as celery_state

from store import jobs, outbox, workers
from store.database import Database
from store.errors import JobNotFound
from store.settings import Settings
from worker.app import TASK, make_app
from worker.attempt import WorkerContext, attempt
from worker.catalogue import publish
from worker.dispatcher import Dispatcher
from worker.folder import attempts_below, cache_below, sweep
from worker.guards import guards_of, hide_worker
from worker.periodic import Periodic
from worker.reaper import Reaper
from worker.registry import Registration, devices, new_worker_id, version
from worker.shelf import ShelfWatch
from worker.slots import Slots
from worker.warm_pool import WarmPool

logger = logging.getLogger(__name__)

ENGINE = (sys.executable, "-m", "core")
UNDELIVERED_SECONDS = 60.0
WATCHDOG_SECONDS = 5.0
WARM_POOL_SECONDS = 1.0
# After drain_seconds for the engines: to store their last checkpoints and let go of the leases.
LEAVE_SECONDS = 10.0


class Service:
    """A worker on an open, migrated database."""

    def __init__(self, settings: Settings, database: Database, engine: Sequence[str] = ENGINE) -> None:
        self.worker_id = new_worker_id()
        self._settings = settings
        self._database = database
        self._stopping = threading.Event()
        self._exit_status = 0
        self._slots = Slots({"job": settings.slots, "plan": settings.plan_slots})
        guards = guards_of(settings)
        self._warm_pool = WarmPool(
            engine,
            settings.engine_env,
            attempts_below(settings.data_dir),
            cache_below(settings.data_dir),
            guards=guards,
            most=min(settings.warm_engines, settings.slots + settings.plan_slots),
            seconds=settings.warm_seconds,
        )
        self._context = WorkerContext(database, settings, self.worker_id, engine, self._stopping, self._warm_pool)
        self._queue = f"{settings.broker_prefix}.{self.worker_id}"
        self._app = make_app(
            settings.broker_url,
            queue=self._queue,
            key_prefix=f"{settings.broker_prefix}:",
            run=self.answer,
            on_stop=self._on_consumer_stop,
        )

    def answer(self, job_id: str) -> None:
        """A message arrived: run the job if there is a slot for it; the message is dropped otherwise, and sent again
        while the job stays queued."""
        with self._database.read() as session:
            try:
                kind = jobs.get(session, job_id).kind
            except JobNotFound:
                return
        with self._slots.enter(job_id, kind) as entered:
            if entered and not self._stopping.is_set():
                attempt(self._context, job_id)

    def serve(self) -> int:
        """Work until SIGTERM or SIGINT; the exit status. Call it on the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        hide_worker()
        swept = sweep(self._context.attempts)
        if swept:
            logger.info("removed the folders of %d dead attempts", swept)
        registration = Registration(
            self.worker_id, devices(os.environ), self._settings.slots, version(), self._context.guards.active()
        )
        registration.announce(self._database, draining=False)
        threading.Thread(target=self._leave_in_time, args=(registration,), name="leave-in-time", daemon=True).start()
        with self._database.begin() as session:
            outbox.forget_sends(session)
        with ExitStack() as threads:
            threads.callback(self._warm_pool.close)
            for thread in self._threads(registration):
                thread.start()
                threads.callback(thread.stop)
            threads.callback(self._stopping.set)
            self._consume()
        self._forget_queue()
        registration.withdraw(self._database)
        return self._exit_status

    def stop(self, exit_status: int = 0) -> None:
        """Begin to stop: engines write a checkpoint, jobs go back to the queue."""
        self._exit_status = self._exit_status or exit_status
        celery_state.should_stop = self._exit_status  # the consumer looks at it at least every two seconds
        self._stopping.set()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # The flag alone: an exception raised here could cut a transaction anywhere. Later signals change nothing.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.stop()

    def _on_consumer_stop(self) -> None:
        """The consumer stops. Where nobody asked it to, it has failed, and its engines must not be waited for."""
        if not self._stopping.is_set():
            logger.critical("the consumer of messages failed; this worker ends so that a new one can start")
            self.stop(exit_status=1)

    def _threads(self, registration: Registration) -> list[Periodic]:
        settings = self._settings
        num_gpus = workers.count_gpus(registration.devices)
        dispatcher = Dispatcher(self._database, self._slots, num_gpus, self._send, settings.max_running_jobs)
        reaper = Reaper(self._database, settings)
        return [
            Periodic(
                "registry",
                lambda: registration.announce(self._database, self._stopping.is_set()),
                settings.beat_seconds,
            ),
            Periodic("reaper", reaper.look, settings.reaper_seconds),
            Periodic("dispatcher", lambda: self._stopping.is_set() or dispatcher.dispatch(), settings.dispatch_seconds),
            Periodic("watchdog", self._check_delivery, WATCHDOG_SECONDS),
            Periodic("shelf", ShelfWatch(settings, self._database).look, settings.reaper_seconds),
            Periodic("warm-pool", self._maintain_warm_pool, WARM_POOL_SECONDS),
        ]

    def _send(self, job_id: str) -> None:
        self._app.send_task(TASK, args=(job_id,), queue=self._queue, retry=False)

    def _consume(self) -> None:
        catalogue = threading.Thread(target=self._publish, name="catalogue", daemon=True)
        catalogue.start()
        worker = self._app.WorkController(
            hostname=self.worker_id,
            pool_cls="threads",
            concurrency=self._settings.slots + self._settings.plan_slots,
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        worker.start()

    def _forget_queue(self) -> None:
        """Nobody will read this worker's queue again."""
        try:
            with self._app.connection_for_write() as connection:
                queue = self._app.amqp.queues[self._queue](connection.default_channel)
                queue.declare()  # kombu deletes only what the same connection has declared
                queue.delete()
        except Exception as error:  # the broker may be the reason why the worker ends
            logger.info("the worker's queue stays behind in the broker: %s", type(error).__name__)

    def _publish(self) -> None:
        try:
            publish(self._database, self._context.engine, version(), self._settings.engine_env, self._stopping)
        except Exception:
            logger.exception("no catalogue was published")

    def _maintain_warm_pool(self) -> None:
        if self._stopping.is_set():
            self._warm_pool.close()
        else:
            self._warm_pool.maintain()

    def _check_delivery(self) -> None:
        """A consumer that receives no messages cannot be repaired from inside: end the process; whoever supervises it
        starts a new one."""
        if self._slots.undelivered_seconds() > UNDELIVERED_SECONDS:
            logger.critical("messages are sent and none arrives; this worker ends so that a new one can start")
            self.stop(exit_status=1)

    def _leave_in_time(self, registration: Registration) -> None:
        self._stopping.wait()
        threading.Thread(target=registration.announce, args=(self._database, True), daemon=True).start()
        time.sleep(self._settings.drain_seconds + LEAVE_SECONDS)
        logger.critical("the worker did not stop in time; its leases will run out")
        os._exit(self._exit_status or 1)
