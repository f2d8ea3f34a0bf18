"""How an engine's end becomes the job's: from exit status, signal and stop reason to one transition of the store."""

import logging
from typing import Any

from core.errors import DeadlineExceeded, InternalError, RetortError
from core.events import EXIT_INTERRUPTED, EXIT_OK
from store import leases, reaper
from worker.engine_process import EngineExit, StopReason
from worker.fenced_writes import FencedWrites, LeaseLost
from worker.recorder import Recorder

logger = logging.getLogger(__name__)

SHOWN_STDERR_LINES = 20


def conclude(
    writes: FencedWrites, engine_exit: EngineExit, recorder: Recorder, *, stderr: list[str], max_attempts: int
) -> None:
    """Write how the job goes on; raises LeaseLost where it is no longer ours to say."""
    if engine_exit.stop_reason is StopReason.LOST:
        raise LeaseLost
    if engine_exit.status == EXIT_OK and _is_complete(writes, recorder):
        writes.write(leases.succeed, recorder.result or {})
    elif engine_exit.stop_reason is StopReason.CANCEL:
        writes.write(leases.finish_cancelled)
    elif recorder.failure is not None:
        if recorder.failure.category == "internal":  # its stderr has the traceback
            recorder.log("error", stderr)
        writes.write(leases.fail, recorder.failure.model_dump(include={"code", "category", "message", "hint"}))
    elif engine_exit.stop_reason is StopReason.PAUSE:
        writes.write(leases.finish_paused)
    elif engine_exit.stop_reason is StopReason.SHUTDOWN:
        writes.write(leases.release)
    elif engine_exit.stop_reason is StopReason.DEADLINE:
        allowed = writes.lease.max_runtime_seconds
        fail(writes, DeadlineExceeded(f"the job ran longer than training.max_runtime_seconds, {allowed:g} s"))
    elif engine_exit.signal_name or engine_exit.status == EXIT_INTERRUPTED:
        recorder.log("error", stderr)
        how = f"the engine was ended by {engine_exit.signal_name or 'SIGTERM'}, which its worker did not send"
        writes.write(reaper.crashed, max_attempts, how)
    else:
        recorder.log("error", stderr)
        fail(writes, _unexplained(engine_exit, stderr))


def fail(writes: FencedWrites, error: RetortError) -> None:
    """End the job with an error."""
    writes.write(leases.fail, as_json(error))


def as_json(error: RetortError) -> dict[str, Any]:
    """The error as a job shows it."""
    return {"code": error.code, "category": error.category, "message": error.message, "hint": error.hint}


def _is_complete(writes: FencedWrites, recorder: Recorder) -> bool:
    return recorder.resolved if writes.lease.kind == "plan" else recorder.result is not None


def _unexplained(engine_exit: EngineExit, stderr: list[str]) -> InternalError:
    shown = "\n".join(stderr[-SHOWN_STDERR_LINES:])
    without = "without its result" if engine_exit.status == EXIT_OK else "without an error event"
    return InternalError(
        f"the engine ended with status {engine_exit.status} {without}"
        + (f"; the end of its stderr:\n{shown}" if shown else ""),
        hint="the logs of the attempt may say more; please report this as a defect of Retort",
    )
