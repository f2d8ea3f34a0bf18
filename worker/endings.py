"""How an engine's end becomes the job's: exit status, signal and verdict to one move of the store."""

import logging
from typing import Any

from core.errors import DeadlineExceeded, InternalError, RetortError
from core.events import EXIT_INTERRUPTED, EXIT_OK
from store import leases, reaper
from worker.ledger import LeaseLost, Ledger
from worker.recorder import Recorder
from worker.trainer import Ending, Verdict

logger = logging.getLogger(__name__)

SHOWN_STDERR_LINES = 20


def conclude(ledger: Ledger, ending: Ending, recorder: Recorder, *, stderr: list[str], max_attempts: int) -> None:
    """Write how the job goes on; raises LeaseLost where it is no longer ours to say."""
    if ending.verdict is Verdict.LOST:
        raise LeaseLost
    if ending.status == EXIT_OK and _told_all(ledger, recorder):
        ledger.write(leases.succeed, recorder.result or {})
    elif ending.verdict is Verdict.CANCEL:
        ledger.write(leases.finish_cancelled)
    elif recorder.failure is not None:
        ledger.write(leases.fail, recorder.failure.model_dump(include={"code", "category", "message", "hint"}))
    elif ending.verdict is Verdict.SHUTDOWN:
        ledger.write(leases.release)
    elif ending.verdict is Verdict.DEADLINE:
        allowed = ledger.lease.max_runtime_seconds
        fail(ledger, DeadlineExceeded(f"the job ran longer than training.max_runtime_seconds, {allowed:g} s"))
    elif ending.signal_name or ending.status == EXIT_INTERRUPTED:
        recorder.log("error", stderr)
        how = f"the engine was ended by {ending.signal_name or 'SIGTERM'}, which its worker did not send"
        ledger.write(reaper.crashed, max_attempts, how)
    else:
        recorder.log("error", stderr)
        fail(ledger, _unexplained(ending, stderr))


def fail(ledger: Ledger, error: RetortError) -> None:
    """End the job with an error."""
    ledger.write(leases.fail, as_json(error))


def as_json(error: RetortError) -> dict[str, Any]:
    """The error as a job shows it."""
    return {"code": error.code, "category": error.category, "message": error.message, "hint": error.hint}


def _told_all(ledger: Ledger, recorder: Recorder) -> bool:
    return recorder.resolved if ledger.lease.kind == "plan" else recorder.result is not None


def _unexplained(ending: Ending, stderr: list[str]) -> InternalError:
    said = "\n".join(stderr[-SHOWN_STDERR_LINES:])
    without = "without its result" if ending.status == EXIT_OK else "without an error event"
    return InternalError(
        f"the engine ended with status {ending.status} {without}" + (f"; its last words:\n{said}" if said else ""),
        hint="the logs of the attempt may say more; please report this as a defect of Retort",
    )
