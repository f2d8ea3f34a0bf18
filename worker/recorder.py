"""From an engine's events to rows: batched, throttled, fenced; the engine's last event decides how the job ends."""

import logging
import time
from collections.abc import Sequence
from typing import Any

from core import events
from store import leases
from store.values import JobWarning, LogLine, MetricPoint
from worker.engine_process import EngineProcess
from worker.fenced_writes import FencedWrites
from worker.phases import PhaseClock
from worker.uploads import Uploads

# What an engine says, with the ids of its job and attempt.
engine_logger = logging.getLogger("retort.engine")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

BATCH_EVENTS = 200
PROGRESS_SECONDS = 1.0
MAX_LOG_LINES = 10_000  # of one attempt; what comes after is counted
MAX_LOG_CHARACTERS = 4_000
MAX_WARNINGS = 100  # of one attempt
MAX_CODE_CHARACTERS = 64
_OF_EVENT = {"at", "event"}


class Recorder:
    """Follows one engine. `failure`, `result` and `resolved` are what it reported, once `follow` has returned."""

    def __init__(self, writes: FencedWrites, uploads: Uploads, batch_seconds: float) -> None:
        """Writes what came in `batch_seconds` in one transaction."""
        self.failure: events.Failure | None = None
        self.result: dict[str, Any] | None = None
        self.resolved = False
        self._writes = writes
        self._uploads = uploads
        self._batch_seconds = batch_seconds
        self._phases = PhaseClock()
        self._num_log_lines = 0
        self._num_warnings = 0
        self._progress: events.Progress | None = None
        self._progress_at = 0.0

    def follow(self, process: EngineProcess) -> None:
        """Record until the engine's stdout ends; raises LeaseLost, and InternalError for an artifact that is not what
        was announced."""
        more = True
        while more:
            ended = process.has_ended()
            batch, more = process.output.take(BATCH_EVENTS, self._batch_seconds)
            if ended and not batch:  # a process that left the engine's group may hold its stdout open
                break
            self._record(batch, last=not more)
            self._upload(batch)
        self._phases.leave()
        self._uploads.store_checkpoint(now=self.result is None)

    def log(self, level: str, lines: list[str]) -> None:
        """Lines of the worker's own, such as the end of the engine's stderr."""
        logged = [events.Log.model_validate({"level": level, "message": line}) for line in lines if line]
        self._record(logged, last=True)

    def _record(self, batch: Sequence[events.Event], *, last: bool) -> None:
        facts = _no_facts()
        for event in batch:
            if isinstance(event, events.Phase) and any(facts.values()):  # every phase shows, however short it was
                self._writes.write(leases.record, **facts)
                facts = _no_facts()
            self._sort(event, facts)
        self._add_progress(facts, last=last)
        if any(facts.values()):
            self._writes.write(leases.record, **facts)

    def _sort(self, event: events.Event, facts: dict[str, Any]) -> None:
        if isinstance(event, events.Metric):
            facts["metrics"] += [MetricPoint(name, event.step, value, event.at) for name, value in event.values.items()]
        elif isinstance(event, events.Log):
            engine_logger.log(_LEVELS[event.level], "%s", event.message)
            facts["logs"] += self._log_line(event)
        elif isinstance(event, events.WarningIssued):
            facts["warnings"] += self._warning(event.warning)
        elif isinstance(event, events.Progress):
            self._progress = event
        elif isinstance(event, events.Phase):
            engine_logger.info("phase %s", event.phase)
            self._phases.enter(event.phase, event.at)
            facts["phase"] = event.phase
        elif isinstance(event, events.Resolved):
            self.resolved = True
            facts["resolved"] = event.model_dump(mode="json", exclude=_OF_EVENT)
        elif isinstance(event, events.Result):
            self.result = event.model_dump(mode="json", exclude=_OF_EVENT)
        elif isinstance(event, events.Failure):
            self.failure = event

    def _log_line(self, event: events.Log) -> list[LogLine]:
        self._num_log_lines += 1
        if self._num_log_lines > MAX_LOG_LINES + 1:
            return []
        if self._num_log_lines > MAX_LOG_LINES:
            return [
                LogLine("warning", f"more than {MAX_LOG_LINES} lines in this attempt; the rest is left out", event.at)
            ]
        return [LogLine(event.level, event.message[:MAX_LOG_CHARACTERS], event.at)]

    def _warning(self, warning: events.JobWarning) -> list[JobWarning]:
        self._num_warnings += 1
        if self._num_warnings > MAX_WARNINGS:
            return []
        hint = _storable(warning.hint) if warning.hint else None
        return [JobWarning(warning.code[:MAX_CODE_CHARACTERS], _storable(warning.message), hint, warning.count)]

    def _add_progress(self, facts: dict[str, Any], *, last: bool) -> None:
        now = time.monotonic()
        if self._progress is None or (not last and now < self._progress_at + PROGRESS_SECONDS):
            return
        shown = self._progress.model_dump(mode="json", exclude=_OF_EVENT)
        facts["progress"] = {**shown, "updated_at": self._progress.model_dump(mode="json")["at"]}
        self._progress, self._progress_at = None, now

    def _upload(self, batch: list[events.Event]) -> None:
        for event in batch:
            if isinstance(event, events.Artifact):
                self._uploads.artifact(event)
            elif isinstance(event, events.Checkpoint):
                self._uploads.checkpoint(event)
        self._uploads.store_checkpoint(now=False)


def _no_facts() -> dict[str, Any]:
    return {"metrics": [], "logs": [], "warnings": []}


def _storable(text: str) -> str:
    """The text, cut, and without the NULs that PostgreSQL refuses."""
    return text[:MAX_LOG_CHARACTERS].replace("\0", "\N{REPLACEMENT CHARACTER}")
