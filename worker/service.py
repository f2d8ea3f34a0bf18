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
from typing import Any

from celery.worker import state as celery_state

from store import workers
from store.database import Database
from store.settings import Settings
from store.states import Kind
from store.values import Lease
from worker.app import make_app
from worker.attempt import WorkerContext, attempt, claim
from worker.catalogue import publish
from worker.dispatcher import Ability, PrivateDispatcher, SharedDispatcher, Sweep
from worker.doorbell import Doorbell, FreeQueues, all_queues, queue_name, queues_heard
from worker.folder import attempts_below, cache_below
from worker.guards import guards_of, hide_worker
from worker.hearing import Hearing
from worker.periodic import Periodic
from worker.quarantine import Quarantine
from worker.reaper import Reaper
from worker.registry import Registration, devices, new_worker_id, version
from worker.self_check import SelfCheck
from worker.shelf import ShelfWatch
from worker.slots import Slots
from worker.sweeper import Sweeper
from worker.warm_pool import WarmPool

logger = logging.getLogger(__name__)

ENGINE = (sys.executable, "-m", "core")
SWEEP_SECONDS = 10.0
DEAF_SECONDS = 60.0
WATCHDOG_SECONDS = 5.0
WARM_POOL_SECONDS = 1.0
QUARANTINE_SECONDS = 3.0
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
        self._slots = Slots({"job": settings.slots, "plan": settings.plan_slots}, self._takes_jobs)
        self._hearing = Hearing()
        guards = guards_of(settings)
        self._registration = Registration(
            self.worker_id, devices(os.environ), settings.slots, version(), guards.active()
        )
        self._quarantine = Quarantine(SelfCheck(settings, engine, self._registration.devices), settings.reaper_seconds)
        self._quarantine.on_change = self._announce
        self._ability = Ability(workers.count_gpus(self._registration.devices), settings.max_running_jobs)
        self._warm_pool = WarmPool(
            engine,
            settings.engine_env,
            attempts_below(settings.data_dir),
            cache_below(settings.data_dir),
            guards=guards,
            most=min(settings.warm_engines, settings.slots + settings.plan_slots),
            seconds=settings.warm_seconds,
        )
        self._context = WorkerContext(
            database, settings, self.worker_id, engine, self._stopping, self._quarantine, self._warm_pool
        )
        self._queues = all_queues(settings.broker_prefix)
        self._app = make_app(
            settings.broker_url,
            queues=self._queues,
            key_prefix=f"{settings.broker_prefix}:",
            order=lambda: FreeQueues(self._slots, self._queues),
            wake=self.wake,
            on_stop=self._on_consumer_stop,
        )
        self._doorbell = Doorbell(self._app, is_shared=not settings.broker_url.startswith("memory:"))

    def wake(self, queue: str) -> None:
        """A message arrived: work, or let another worker hear it where there is no slot for it."""
        self._hearing.heard()
        if not self._work(self._queues[queue], rung=True):
            self._doorbell.pass_on(queue)

    def _work(self, kind: Kind, *, rung: bool) -> bool:
        """Run jobs of a kind, one after the other, while there are any; whether there was a slot. `rung`: a message was
        heard for the first of them."""
        with self._slots.enter(kind) as entered:
            while entered and self._takes_jobs():
                claimed_at = time.monotonic()
                lease = claim(self._context, kind, self._ability)
                if lease is None:
                    break
                if not rung:
                    self._doorbell.take(self._queue_of(lease))
                rung = False
                attempt(self._context, lease, claimed_at)
        return entered

    def _queue_of(self, lease: Lease) -> str:
        return queue_name(self._settings.broker_prefix, lease.kind, lease.spec["training"]["devices"])

    def _takes_jobs(self) -> bool:
        return not self._stopping.is_set() and self._quarantine.reason is None

    def _announce(self) -> None:
        self._registration.announce(self._database, self._stopping.is_set(), self._quarantine.reason)

    def serve(self) -> int:
        """Work until SIGTERM or SIGINT; the exit status. Call it on the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        hide_worker()
        self._announce()
        threading.Thread(target=self._leave_in_time, name="leave-in-time", daemon=True).start()
        with ExitStack() as threads:
            threads.callback(self._warm_pool.close)
            self._consumer = self._make_consumer()
            for thread in self._threads():
                thread.start()
                threads.callback(thread.stop)
            threads.callback(self._stopping.set)
            self._consume()
        self._registration.withdraw(self._database)
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

    def _threads(self) -> list[Periodic]:
        settings = self._settings
        sweep = Sweep(self._database, self._slots, self._hearing, self._ability, self._start)
        return [
            Periodic("registry", self._announce, settings.beat_seconds),
            Periodic("quarantine", self._quarantine.look, QUARANTINE_SECONDS),
            Periodic("sweeper", Sweeper(self._database, settings).look, QUARANTINE_SECONDS),
            Periodic("reaper", Reaper(self._database, settings).look, settings.reaper_seconds),
            Periodic("dispatcher", self._dispatcher().dispatch, settings.dispatch_seconds),
            Periodic("sweep", sweep.look, SWEEP_SECONDS),
            Periodic("watchdog", self._check_delivery, WATCHDOG_SECONDS),
            Periodic("shelf", ShelfWatch(settings, self._database).look, settings.reaper_seconds),
            Periodic("warm-pool", self._maintain_warm_pool, WARM_POOL_SECONDS),
        ]

    def _dispatcher(self) -> SharedDispatcher | PrivateDispatcher:
        prefix = self._settings.broker_prefix
        if self._doorbell.is_shared:
            return SharedDispatcher(self._database, self._doorbell, prefix, self._settings.dispatch_seconds)
        return PrivateDispatcher(self._database, self._doorbell, prefix, self._slots, self._hearing, self._ability)

    def _start(self, kind: Kind) -> None:
        """Work in a slot that was promised, on a thread of the consumer's pool, which is waited for when it stops."""
        self._consumer.pool.apply_async(self._work, (kind,), {"rung": False}, callback=lambda _: None)

    def _consume(self) -> None:
        catalogue = threading.Thread(target=self._publish, name="catalogue", daemon=True)
        catalogue.start()
        self._consumer.start()

    def _make_consumer(self) -> Any:
        return self._app.WorkController(
            queues=queues_heard(self._settings.broker_prefix, self._ability.num_gpus),
            hostname=self.worker_id,
            pool_cls="threads",
            concurrency=self._settings.slots + self._settings.plan_slots,
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )

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
        if self._slots.is_idle() and self._hearing.deaf_seconds() > DEAF_SECONDS:
            logger.critical("messages are sent and none arrives; this worker ends so that a new one can start")
            self.stop(exit_status=1)

    def _leave_in_time(self) -> None:
        self._stopping.wait()
        threading.Thread(target=self._announce, daemon=True).start()
        time.sleep(self._settings.drain_seconds + LEAVE_SECONDS)
        logger.critical("the worker did not stop in time; its leases will run out")
        os._exit(self._exit_status or 1)
