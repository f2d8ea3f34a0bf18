"""One attempt at a job, from the claim to the end: the story of worker/."""

import errno
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import DiskFull, InternalError, RetortError
from core.policy import Policy
from store import leases
from store.database import Database
from store.settings import Settings
from store.views import Lease
from worker.deliveries import Deliveries
from worker.endings import conclude, fail
from worker.environment import engine_environment
from worker.folder import AttemptFolder, attempts_below, cache_below
from worker.inputs import lay_checkpoint, lay_jobs
from worker.keeper import Keeper
from worker.ledger import LeaseLost, Ledger
from worker.recorder import Recorder
from worker.spares import Spares
from worker.trainer import Order, Trainer, Verdict

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workshop:
    """What every attempt of one worker shares; `stopping` is set when the worker must stop. Without `spares`, every
    attempt starts its engine."""

    database: Database
    settings: Settings
    worker_id: str
    engine: Sequence[str]
    stopping: threading.Event
    spares: Spares | None = None

    @property
    def attempts(self) -> Path:
        """Where attempts have their folders."""
        return attempts_below(self.settings.data_dir)

    @property
    def cache(self) -> Path:
        """What engines keep between jobs."""
        return cache_below(self.settings.data_dir)


def attempt(shop: Workshop, job_id: str) -> None:
    """Run the job if it is still to be had."""
    claimed_at = time.monotonic()
    with shop.database.begin() as session:
        lease = leases.claim(session, job_id, owner=shop.worker_id, lease_seconds=shop.settings.lease_seconds)
    if lease is None:
        return
    logger.info("%s: attempt %d begins", job_id, lease.attempt)
    with _keeper(shop, lease, claimed_at) as keeper:
        ledger = Ledger(shop.database, lease, keeper)
        try:
            _run(shop, lease, keeper, ledger)
        except LeaseLost:
            logger.warning("%s: attempt %d lost its lease; what it did does not count", job_id, lease.attempt)
    logger.info("%s: attempt %d is over", job_id, lease.attempt)


def _keeper(shop: Workshop, lease: Lease, claimed_at: float) -> Keeper:
    return Keeper(
        shop.database,
        lease,
        claimed_at=claimed_at,
        lease_seconds=shop.settings.lease_seconds,
        beat_seconds=shop.settings.beat_seconds,
        stopping=shop.stopping,
    )


def _run(shop: Workshop, lease: Lease, keeper: Keeper, ledger: Ledger) -> None:
    try:
        with AttemptFolder(shop.attempts, lease) as folder:
            _lay(shop, lease, folder, ledger)
            _train(shop, lease, folder, keeper, ledger)
    except LeaseLost:
        raise
    except RetortError as error:
        fail(ledger, error)
    except Exception as error:
        logger.exception("%s: the attempt failed", lease.job_id)
        fail(ledger, _as_retort_error(error))


def _lay(shop: Workshop, lease: Lease, folder: AttemptFolder, ledger: Ledger) -> None:
    folder.write_order(lease.spec, Policy.model_validate(shop.settings.policy()))
    shop.cache.mkdir(parents=True, exist_ok=True)
    checkpoint = lease.checkpoint
    ledger.insist(lambda: lay_jobs(shop.database, lease.spec, folder.inputs))
    if checkpoint is not None:
        ledger.insist(lambda: lay_checkpoint(shop.database, checkpoint, folder.out))


def _train(shop: Workshop, lease: Lease, folder: AttemptFolder, keeper: Keeper, ledger: Ledger) -> None:
    deliveries = Deliveries(ledger, folder.out, lease.spec["training"]["checkpoint_seconds"])
    recorder = Recorder(ledger, deliveries, shop.settings.record_seconds)
    with Trainer(_order(shop, lease, folder), keeper.verdict, shop.spares) as trainer:
        logger.info("%s: engine is process %d", lease.job_id, trainer.pid)
        recorder.follow(trainer)
        ending = trainer.wait()
    stderr = trainer.listener.stderr_tail()
    conclude(ledger, ending, recorder, stderr=stderr, max_attempts=shop.settings.max_attempts)


def _order(shop: Workshop, lease: Lease, folder: AttemptFolder) -> Order:
    grace = shop.settings.grace_seconds
    return Order(
        command=shop.engine,
        folder=folder.path,
        cache=shop.cache,
        environment=engine_environment(
            os.environ, shop.settings.engine_env, temporary=folder.temporary, cache=shop.cache
        ),
        resume=lease.checkpoint is not None,
        plan=lease.kind == "plan",
        grace_seconds={
            Verdict.CANCEL: grace,
            Verdict.DEADLINE: grace,
            Verdict.SHUTDOWN: shop.settings.drain_seconds,
        },
    )


def _as_retort_error(error: Exception) -> RetortError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("no space was left in the worker's data folder", hint="free some, then retry the job")
    return InternalError(f"the worker failed: {type(error).__name__}: {error}", hint="its log has the traceback")
