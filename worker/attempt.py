"""One attempt at a job that was claimed, to its end."""

import logging
import os
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from core.errors import HostFault, from_exception
from core.policy import Policy
from store import leases
from store.database import Database
from store.errors import BlobDamaged, BlobNotFound
from store.job_traces import trace_of
from store.logs import log_ids
from store.settings import Settings
from store.states import Kind
from store.tracing import is_tracing, span
from store.values import CheckpointRef, Lease
from worker.dispatcher import Ability
from worker.engine_process import EngineCommand, EngineProcess, StopReason
from worker.environment import engine_environment
from worker.fenced_writes import FencedWrites, LeaseLost
from worker.figures import ATTEMPTS, DEVICE_SECONDS, LEASES_LOST, RUNNING
from worker.folder import AttemptFolder, attempts_below, cache_below
from worker.guards import Guards, guards_of
from worker.heartbeat import Heartbeat
from worker.hidden import hidden_texts
from worker.inputs import reveal_secrets, stage_checkpoint, stage_datasets, stage_jobs
from worker.oom import count_oom_kills
from worker.outcome import conclude, give_up
from worker.quarantine import Quarantine
from worker.recorder import Recorder
from worker.registry import device_kind
from worker.uploads import Uploads
from worker.warm_pool import WarmPool
from worker.warning_codes import checkpoint_damaged

logger = logging.getLogger(__name__)

CLAIM_TRIES = 5
CLAIM_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class WorkerContext:
    """What every attempt of one worker shares; `stopping` is set when the worker must stop. Without `warm_pool`,
    every attempt starts an engine of its own."""

    database: Database
    settings: Settings
    worker_id: str
    engine: Sequence[str]
    stopping: threading.Event
    quarantine: Quarantine
    warm_pool: WarmPool | None = None

    @property
    def attempts(self) -> Path:
        """Where attempts have their folders."""
        return attempts_below(self.settings.data_dir)

    @cached_property
    def guards(self) -> Guards:
        """What keeps engines in their bounds; raises GuardsUnusable."""
        return guards_of(self.settings)

    @property
    def cache(self) -> Path:
        """What engines keep between jobs."""
        return cache_below(self.settings.data_dir)


def claim(context: WorkerContext, kind: Kind, ability: Ability) -> Lease | None:
    """Take the queued job of a kind that starts next; None where there is none that this worker can run."""
    for _ in range(CLAIM_TRIES):
        with context.database.begin() as session:
            lease = leases.claim_next(
                session,
                kind,
                owner=context.worker_id,
                lease_seconds=context.settings.lease_seconds,
                num_gpus=ability.num_gpus,
                max_running=ability.max_running,
            )
        if lease is not None:
            return lease
        with context.database.read() as session:
            if ability.next_job(session, kind) is None:
                return None
        time.sleep(random.uniform(0.0, CLAIM_PAUSE_SECONDS))  # others are about to claim the first ones
    return None


def attempt(context: WorkerContext, lease: Lease, claimed_at: float) -> None:
    """Run a job that this worker has claimed; `claimed_at` is the monotonic time before the claim was sent."""
    ids: dict[str, str | int] = {"job_id": lease.job_id, "attempt": lease.attempt}
    parent = _trace_of(context, lease.job_id)
    with log_ids(**ids), span("attempt", parent=parent, attributes=ids), RUNNING.track_inprogress():
        ATTEMPTS.inc()
        _attempt(context, lease, claimed_at)


def _trace_of(context: WorkerContext, job_id: str) -> str | None:
    """Without it the attempt is a trace of its own; no job is lost for that."""
    if not is_tracing():
        return None
    try:
        with context.database.read() as session:
            return trace_of(session, job_id)
    except SQLAlchemyError as error:
        logger.warning("%s: its trace cannot be read: %s", job_id, type(error).__name__)
        return None


def _attempt(context: WorkerContext, lease: Lease, claimed_at: float) -> None:
    logger.info("%s: attempt %d begins", lease.job_id, lease.attempt)
    heartbeat = _heartbeat(context, lease, claimed_at)
    writes = FencedWrites(context.database, lease, heartbeat)
    try:
        try:
            with heartbeat:
                _run(context, lease, heartbeat, writes)
        except RuntimeError as error:  # no thread could be started for the heartbeat
            give_up(writes, HostFault(f"the attempt could not begin: {error}"), context.quarantine, context.settings)
    except LeaseLost:
        LEASES_LOST.inc()
        logger.warning("%s: attempt %d lost its lease; what it did does not count", lease.job_id, lease.attempt)
    logger.info("%s: attempt %d is over", lease.job_id, lease.attempt)


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
            secrets = _stage_secrets(context, lease, folder, writes)
            has_checkpoint = _stage(context, lease, folder, writes)
            _train(context, lease, folder, heartbeat, writes, resume=has_checkpoint, secrets=secrets)
    except LeaseLost:
        raise
    except Exception as error:
        failure = from_exception(error)
        if failure is not error and failure.category == "internal":
            logger.exception("%s: the attempt failed", lease.job_id)
        give_up(writes, failure, context.quarantine, context.settings)


def _stage_secrets(context: WorkerContext, lease: Lease, folder: AttemptFolder, writes: FencedWrites) -> list[str]:
    """Give the engine the secrets that the spec names; their values."""
    secrets = writes.retry_while_away(
        lambda: reveal_secrets(context.database, lease.spec, lease.tenant, context.settings)
    )
    if secrets:
        folder.write_secrets(secrets)
    return list(secrets.values())


def _stage(context: WorkerContext, lease: Lease, folder: AttemptFolder, writes: FencedWrites) -> bool:
    """Lay down what the engine reads; whether there is a checkpoint to go on from."""
    folder.write_spec_and_policy(lease.spec, Policy.model_validate(context.settings.policy()))
    context.cache.mkdir(parents=True, exist_ok=True)
    if context.guards.user is not None and context.cache.stat().st_uid != context.guards.user.uid:
        context.guards.user.give(context.cache)
    writes.retry_while_away(lambda: stage_jobs(context.database, lease.spec, lease.tenant, folder.inputs))
    writes.retry_while_away(lambda: stage_datasets(context.database, lease.spec, lease.tenant, folder.inputs))
    return any(_stage_checkpoint(context, checkpoint, folder, writes) for checkpoint in lease.checkpoints)


def _stage_checkpoint(
    context: WorkerContext, checkpoint: CheckpointRef, folder: AttemptFolder, writes: FencedWrites
) -> bool:
    """Whether it is there now. One that is damaged is given up, because a training that went on from it would end with
    other weights and nobody would know.
    """
    try:
        writes.retry_while_away(lambda: stage_checkpoint(context.database, checkpoint, folder.out))
    except (BlobDamaged, BlobNotFound) as error:
        logger.warning("%s: checkpoint of step %d: %s", writes.lease.job_id, checkpoint.step, error)
        writes.write(leases.drop_checkpoint, checkpoint, checkpoint_damaged(checkpoint))
        return False
    return True


def _train(
    context: WorkerContext,
    lease: Lease,
    folder: AttemptFolder,
    heartbeat: Heartbeat,
    writes: FencedWrites,
    *,
    resume: bool,
    secrets: list[str],
) -> None:
    uploads = Uploads(writes, folder.out, lease.spec["training"]["checkpoint_seconds"])
    recorder = Recorder(writes, uploads, context.settings.record_seconds)
    killed = count_oom_kills()
    command = _command(context, lease, folder, resume=resume)
    command = replace(command, has_secrets=bool(secrets), hidden=hidden_texts(secrets))
    begun = time.monotonic()
    with span("engine"), EngineProcess(command, heartbeat.stop_reason, context.warm_pool) as process:
        logger.info("%s: engine is process %d", lease.job_id, process.pid)
        recorder.follow(process)
        engine_exit = process.wait()
    DEVICE_SECONDS.labels(device_kind(lease.spec)).inc(time.monotonic() - begun)
    stderr = process.output.stderr_tail()
    conclude(
        writes,
        engine_exit,
        recorder,
        stderr=stderr,
        oom_kills=count_oom_kills() - killed,
        quarantine=context.quarantine,
        limits=context.settings,
    )


def _command(context: WorkerContext, lease: Lease, folder: AttemptFolder, *, resume: bool) -> EngineCommand:
    grace = context.settings.grace_seconds
    return EngineCommand(
        program=context.engine,
        folder=folder.path,
        cache=context.cache,
        environment=engine_environment(
            os.environ, context.settings.engine_env, temporary=folder.temporary, cache=context.cache
        ),
        resume=resume,
        plan=lease.kind == "plan",
        grace_seconds={
            StopReason.CANCEL: grace,
            StopReason.DEADLINE: context.settings.drain_seconds,
            StopReason.HUNG: grace,
            StopReason.PAUSE: context.settings.drain_seconds,
            StopReason.SHUTDOWN: context.settings.drain_seconds,
        },
        guards=context.guards,
        spent_seconds=lease.runtime_seconds,
        parent_seconds=context.settings.lease_seconds,
        hung_seconds=context.settings.hung_seconds,
        mute_seconds=context.settings.mute_seconds,
    )
