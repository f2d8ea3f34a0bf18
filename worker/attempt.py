"""One attempt at a job, from the claim to the end: the top-level function of worker/."""

import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import RetortError, from_exception
from core.policy import Policy
from store import leases
from store.database import Database
from store.settings import Settings
from store.values import Lease
from worker.engine_process import EngineCommand, EngineProcess, StopReason
from worker.environment import engine_environment
from worker.fenced_writes import FencedWrites, LeaseLost
from worker.folder import AttemptFolder, attempts_below, cache_below
from worker.heartbeat import Heartbeat
from worker.hidden import hidden_texts
from worker.inputs import reveal_secrets, stage_checkpoint, stage_jobs
from worker.oom import count_oom_kills
from worker.outcome import conclude, fail
from worker.recorder import Recorder
from worker.uploads import Uploads
from worker.warm_pool import WarmPool

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerContext:
    """What every attempt of one worker shares; `stopping` is set when the worker must stop. Without `warm_pool`,
    every attempt starts an engine of its own."""

    database: Database
    settings: Settings
    worker_id: str
    engine: Sequence[str]
    stopping: threading.Event
    warm_pool: WarmPool | None = None

    @property
    def attempts(self) -> Path:
        """Where attempts have their folders."""
        return attempts_below(self.settings.data_dir)

    @property
    def cache(self) -> Path:
        """What engines keep between jobs."""
        return cache_below(self.settings.data_dir)


def attempt(context: WorkerContext, job_id: str) -> None:
    """Run the job if it is still to be had."""
    claimed_at = time.monotonic()
    with context.database.begin() as session:
        lease = leases.claim(session, job_id, owner=context.worker_id, lease_seconds=context.settings.lease_seconds)
    if lease is None:
        return
    logger.info("%s: attempt %d begins", job_id, lease.attempt)
    with _heartbeat(context, lease, claimed_at) as heartbeat:
        writes = FencedWrites(context.database, lease, heartbeat)
        try:
            _run(context, lease, heartbeat, writes)
        except LeaseLost:
            logger.warning("%s: attempt %d lost its lease; what it did does not count", job_id, lease.attempt)
    logger.info("%s: attempt %d is over", job_id, lease.attempt)


def _heartbeat(context: WorkerContext, lease: Lease, claimed_at: float) -> Heartbeat:
    return Heartbeat(
        context.database,
        lease,
        claimed_at=claimed_at,
        lease_seconds=context.settings.lease_seconds,
        beat_seconds=context.settings.beat_seconds,
        stopping=context.stopping,
    )


def _run(context: WorkerContext, lease: Lease, heartbeat: Heartbeat, writes: FencedWrites) -> None:
    try:
        with AttemptFolder(context.attempts, lease) as folder:
            secrets = _stage(context, lease, folder, writes)
            _train(context, lease, folder, heartbeat, writes, secrets)
    except LeaseLost:
        raise
    except Exception as error:
        if not isinstance(error, RetortError):
            logger.exception("%s: the attempt failed", lease.job_id)
        fail(writes, from_exception(error))


def _stage(context: WorkerContext, lease: Lease, folder: AttemptFolder, writes: FencedWrites) -> list[str]:
    """Put into the folder what the engine needs; the values of the secrets among it."""
    folder.write_spec_and_policy(lease.spec, Policy.model_validate(context.settings.policy()))
    context.cache.mkdir(parents=True, exist_ok=True)
    checkpoint = lease.checkpoint
    writes.retry_while_away(lambda: stage_jobs(context.database, lease.spec, lease.tenant, folder.inputs))
    if checkpoint is not None:
        writes.retry_while_away(lambda: stage_checkpoint(context.database, checkpoint, folder.out))
    secrets = writes.retry_while_away(
        lambda: reveal_secrets(context.database, lease.job_id, lease.spec, context.settings)
    )
    if secrets:
        folder.write_secrets(secrets)
    return list(secrets.values())


def _train(
    context: WorkerContext,
    lease: Lease,
    folder: AttemptFolder,
    heartbeat: Heartbeat,
    writes: FencedWrites,
    secrets: list[str],
) -> None:
    uploads = Uploads(writes, folder.out, lease.spec["training"]["checkpoint_seconds"])
    recorder = Recorder(writes, uploads, context.settings.record_seconds)
    command = replace(_command(context, lease, folder), has_secrets=bool(secrets), hidden=hidden_texts(secrets))
    killed = count_oom_kills()
    with EngineProcess(command, heartbeat.stop_reason, context.warm_pool) as process:
        logger.info("%s: engine is process %d", lease.job_id, process.pid)
        recorder.follow(process)
        engine_exit = process.wait()
    stderr = process.output.stderr_tail()
    conclude(
        writes, engine_exit, recorder, stderr=stderr, oom_kills=count_oom_kills() - killed, limits=context.settings
    )


def _command(context: WorkerContext, lease: Lease, folder: AttemptFolder) -> EngineCommand:
    grace = context.settings.grace_seconds
    return EngineCommand(
        program=context.engine,
        folder=folder.path,
        cache=context.cache,
        environment=engine_environment(
            os.environ, context.settings.engine_env, temporary=folder.temporary, cache=context.cache
        ),
        resume=lease.checkpoint is not None,
        plan=lease.kind == "plan",
        grace_seconds={
            StopReason.CANCEL: grace,
            StopReason.DEADLINE: context.settings.drain_seconds,
            StopReason.HUNG: grace,
            StopReason.PAUSE: context.settings.drain_seconds,
            StopReason.SHUTDOWN: context.settings.drain_seconds,
        },
        spent_seconds=lease.runtime_seconds,
        parent_seconds=context.settings.lease_seconds,
        hung_seconds=context.settings.hung_seconds,
        mute_seconds=context.settings.mute_seconds,
    )
