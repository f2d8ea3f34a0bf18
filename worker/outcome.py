"""How an engine's end becomes the job's: from exit status, signal and stop reason to one transition of the store."""

import logging
from typing import Any

from core.errors import (
    DeadlineExceeded,
    DeviceFailed,
    DiskFull,
    EngineCrashed,
    EngineHung,
    HostFault,
    InfrastructureError,
    InternalError,
    OutOfMemory,
    RetortError,
)
from core.events import EXIT_INTERRUPTED, EXIT_OK, Failure
from store import leases, reaper
from store.settings import Settings
from worker.engine_process import EngineExit, StopReason
from worker.fenced_writes import FencedWrites, LeaseLost
from worker.quarantine import Quarantine
from worker.recorder import Recorder

logger = logging.getLogger(__name__)

SHOWN_STDERR_LINES = 20
_CODE_FAILED = "native code failed: look at the attempt's log, and report it with the job's spec"
# What says that the host cannot run the job, and nothing about the job.
_OF_HOST: dict[str, type[InfrastructureError]] = {kind.code: kind for kind in (DiskFull, DeviceFailed, HostFault)}
_HINTS = {
    "SIGKILL": "an operator or the system ended it; the host may have run out of memory",
    **dict.fromkeys(("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"), _CODE_FAILED),
    "SIGXCPU": "it used more CPU time than its limit allows",
}


def conclude(
    writes: FencedWrites,
    engine_exit: EngineExit,
    recorder: Recorder,
    *,
    stderr: list[str],
    oom_kills: int,
    quarantine: Quarantine,
    limits: Settings,
) -> None:
    """Write how the job goes on; raises LeaseLost where it is no longer ours to say. `oom_kills`: how many processes
    the kernel killed for lack of memory during the attempt."""
    reported = recorder.failure
    if engine_exit.stop_reason is StopReason.LOST:
        raise LeaseLost
    if engine_exit.status == EXIT_OK and _is_complete(writes, recorder):
        writes.write(leases.succeed, recorder.result or {})
    elif engine_exit.stop_reason is StopReason.CANCEL:
        writes.write(leases.finish_cancelled)
    elif reported is not None:
        if reported.category == "internal":  # its stderr has the traceback
            recorder.log("error", stderr)
        give_up(writes, reported, quarantine, limits)
    elif engine_exit.stop_reason is StopReason.PAUSE:
        writes.write(leases.finish_paused)
    elif engine_exit.stop_reason is StopReason.SHUTDOWN:
        writes.write(leases.release)
    elif engine_exit.stop_reason is StopReason.DEADLINE:
        allowed = writes.lease.max_runtime_seconds
        fail(writes, DeadlineExceeded(f"the job ran longer than training.max_runtime_seconds, {allowed:g} s"))
    elif death := _death(engine_exit, oom_kills, limits):
        recorder.log("error", stderr)
        if unfit := quarantine.suspect(whole=False):  # writing to a mapped file on a full disk ends in SIGBUS
            _put_back(writes, HostFault(f"{death.message}; {unfit}"), quarantine, limits)
        else:
            writes.write(reaper.crashed, limits.max_attempts, death, limits.retry_seconds)
    else:
        recorder.log("error", stderr)
        give_up(writes, _unexplained(engine_exit, stderr), quarantine, limits)


def give_up(writes: FencedWrites, error: RetortError | Failure, quarantine: Quarantine, limits: Settings) -> None:
    """End the job with an error; or put it back, where the host is to blame and not the job."""
    of_host = _OF_HOST.get(error.code)
    unfit = quarantine.suspect() if of_host or error.category == "internal" else None
    if of_host is not None:
        _put_back(writes, of_host(error.message, hint=error.hint), quarantine, limits)
    elif unfit is not None:
        _put_back(writes, HostFault(f"{unfit} ({error.message.splitlines()[0]})"), quarantine, limits)
    else:
        fail(writes, error)


def _put_back(writes: FencedWrites, fault: InfrastructureError, quarantine: Quarantine, limits: Settings) -> None:
    logger.warning("%s: put back: %s", writes.lease.job_id, fault.message)
    at_once = quarantine.reason is not None
    writes.write(reaper.put_back, fault, limits.max_host_faults, limits.retry_seconds, at_once=at_once)


def fail(writes: FencedWrites, error: RetortError | Failure) -> None:
    """End the job with an error."""
    writes.write(leases.fail, as_json(error))


def as_json(error: RetortError | Failure) -> dict[str, Any]:
    """The error as a job shows it."""
    return {"code": error.code, "category": error.category, "message": error.message, "hint": error.hint}


def _is_complete(writes: FencedWrites, recorder: Recorder) -> bool:
    return recorder.resolved if writes.lease.kind == "plan" else recorder.result is not None


def _death(engine_exit: EngineExit, oom_kills: int, limits: Settings) -> RetortError | None:
    """What ended an engine that did not end by itself; None where it did."""
    if engine_exit.stop_reason is StopReason.HUNG:
        said = (
            f"the engine hung: it reported nothing and did nothing for {limits.hung_seconds:g} s, or reported nothing"
        )
        return EngineHung(f"{said} for {limits.mute_seconds:g} s", hint="look at the last lines of the attempt's log")
    if engine_exit.signal_name == "SIGKILL" and oom_kills > 0:
        return OutOfMemory(
            "the kernel killed the engine because the host or its cgroup ran out of memory",
            hint="lower training.batch_size or training.image_size, or run workers with more memory",
        )
    if engine_exit.signal_name or engine_exit.status == EXIT_INTERRUPTED:
        name = engine_exit.signal_name or "SIGTERM"
        return EngineCrashed(
            f"the engine was ended by {name}, which its worker did not send", hint=_HINTS.get(name, "")
        )
    return None


def _unexplained(engine_exit: EngineExit, stderr: list[str]) -> InternalError:
    shown = "\n".join(stderr[-SHOWN_STDERR_LINES:])
    without = "without its result" if engine_exit.status == EXIT_OK else "without an error event"
    return InternalError(
        f"the engine ended with status {engine_exit.status} {without}"
        + (f"; the end of its stderr:\n{shown}" if shown else ""),
        hint="the logs of the attempt may say more; please report this as a defect of Retort",
    )
