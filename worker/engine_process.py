"""One engine process at work: taken from the warm pool or started now; stopped by a signal, then killed; ended when the
worker dies.

Three things end an engine that does not end by itself: a stop reason (cancel, pause, shutdown, deadline, lost lease, a
hang), asked for every POLL_SECONDS on a thread that touches no database; the end of the `with` block in the worker; and
the end or the standstill of the worker process, which the engine sees on an inherited pipe.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import BinaryIO, cast

from worker.engine import Engine, kill_group, start
from worker.engine_output import EngineOutput
from worker.folder import SECRETS
from worker.guards import Guards
from worker.warm_pool import WarmPool
from worker.watchdog import Watchdog

POLL_SECONDS = 0.2
RENEW_SECONDS = 1.0  # between two signs of life for the engine


class StopReason(Enum):
    """Why the worker ends an engine. All but `LOST` give it time to write a checkpoint."""

    CANCEL = "cancel"
    PAUSE = "pause"
    SHUTDOWN = "shutdown"
    DEADLINE = "deadline"
    HUNG = "hung"
    LOST = "lost"


@dataclass(frozen=True)
class EngineCommand:
    """What to start: the program with its first arguments, the attempt's folder and cache, and how to stop it."""

    program: Sequence[str]
    folder: Path
    cache: Path
    environment: dict[str, str]
    resume: bool
    plan: bool
    grace_seconds: Mapping[StopReason, float]
    spent_seconds: float  # by earlier attempts
    parent_seconds: float  # the engine ends when its worker gives no sign of life for so long
    hung_seconds: float  # see worker.watchdog
    mute_seconds: float
    guards: Guards
    has_secrets: bool = False
    hidden: tuple[bytes, ...] = field(default=(), repr=False)  # what of its output is not recorded

    def arguments(self, parent_pipe: int) -> list[str]:
        """What the engine's command line says after the command."""
        secrets = ["--secrets", str(self.folder / SECRETS)] if self.has_secrets else []
        flags = ["--resume"] * self.resume + ["--plan"] * self.plan
        return [
            *("--spec", str(self.folder / "spec.json"), "--out", str(self.folder / "out")),
            *("--policy", str(self.folder / "policy.json"), "--inputs", str(self.folder / "inputs")),
            *("--cache", str(self.cache), "--events", "json", "--parent-pipe", str(parent_pipe)),
            *("--parent-seconds", f"{self.parent_seconds:g}", "--spent-seconds", f"{self.spent_seconds:.3f}"),
            *secrets,
            *flags,
        ]


@dataclass(frozen=True)
class EngineExit:
    """How an engine ended: its exit status or the signal that killed it; the stop reason, where the worker ended it."""

    status: int | None
    signal_name: str | None
    stop_reason: StopReason | None


class EngineProcess:
    """A running engine, as a context manager that leaves no process of its group behind."""

    def __init__(
        self, command: EngineCommand, stop_reason: Callable[[], StopReason | None], warm_pool: WarmPool | None = None
    ) -> None:
        """`stop_reason` is called often and must not block; its first answer is final, except that LOST overrules
        all, and CANCEL a PAUSE. An engine of `warm_pool` is taken where one is ready."""
        self._command = command
        self._ask = stop_reason
        self._warm_pool = warm_pool
        self._stop_reason: StopReason | None = None
        self._kill_at: float | None = None  # by the monotonic clock
        self._reaping = threading.Lock()  # held while the group is signalled or its leader reaped
        self._ended = threading.Event()
        self._renewed_at = -float("inf")

    def __enter__(self) -> "EngineProcess":
        self._engine = self._warm_engine() or self._cold_engine()
        self._process = self._engine.process
        try:
            self._listen()
        except BaseException:  # no thread could be started
            kill_group(self._process)
            self._process.wait()
            self._engine.release()
            raise
        return self

    def _listen(self) -> None:
        self._watchdog = Watchdog(
            self.pid, hung_seconds=self._command.hung_seconds, mute_seconds=self._command.mute_seconds
        )
        pipes = cast(BinaryIO, self._process.stdout), cast(BinaryIO, self._process.stderr)
        self.output = EngineOutput(*pipes, self._command.hidden)
        context = copy_context()  # for the ids in what it logs
        self._supervisor = threading.Thread(
            target=context.run, args=(self._supervise,), name="engine-supervisor", daemon=True
        )
        self._supervisor.start()

    def __exit__(self, *_: object) -> None:
        self._kill_group()
        self._supervisor.join()
        self.output.close()
        self._engine.release()

    def _warm_engine(self) -> Engine | None:
        return self._warm_pool.take(self._command.folder, self._command.arguments) if self._warm_pool else None

    def _cold_engine(self) -> Engine:
        return start(
            lambda parent_pipe: [*self._command.program, *self._command.arguments(parent_pipe)],
            cwd=self._command.folder,
            environment=self._command.environment,
            guards=self._command.guards,
        )

    @property
    def pid(self) -> int:
        """Process id, which is the id of the process group as well."""
        return self._process.pid

    def has_ended(self) -> bool:
        """Whether the engine and all of its group are gone."""
        return self._ended.is_set()

    def wait(self) -> EngineExit:
        """How the engine ended, once it has."""
        self._ended.wait()
        code = self._process.returncode
        if code < 0:
            return EngineExit(status=None, signal_name=_signal_name(-code), stop_reason=self._stop_reason)
        return EngineExit(status=code, signal_name=None, stop_reason=self._stop_reason)

    def _supervise(self) -> None:
        while not self._has_exited():
            self._apply(self._ask())
            self._watch()
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill_group()
            time.sleep(POLL_SECONDS)
        self._kill_group()  # what the engine started and left behind
        with self._reaping:
            self._process.wait()
            self._ended.set()

    def _watch(self) -> None:
        """Tell the engine that we are there, and end it where it hangs."""
        if self._stop_reason is None and self._watchdog.is_hung(self.output.mute_seconds()):
            self._apply(StopReason.HUNG)
        if self._stop_reason is not StopReason.LOST and time.monotonic() >= self._renewed_at + RENEW_SECONDS:
            self._renewed_at = time.monotonic()
            self._engine.renew()

    def _apply(self, stop_reason: StopReason | None) -> None:
        if stop_reason is StopReason.LOST:
            self._stop_reason, self._kill_at = stop_reason, time.monotonic()
        elif stop_reason is not None and self._stop_reason is None:
            self._stop_reason, self._kill_at = stop_reason, time.monotonic() + self._command.grace_seconds[stop_reason]
            os.kill(self.pid, signal.SIGTERM)
        elif stop_reason is StopReason.CANCEL and self._stop_reason is StopReason.PAUSE:
            sooner = time.monotonic() + self._command.grace_seconds[stop_reason]
            self._stop_reason, self._kill_at = stop_reason, min(self._kill_at or sooner, sooner)

    def _has_exited(self) -> bool:
        """Whether the engine has ended, without reaping it: until then no other process can get its group's id."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _kill_group(self) -> None:
        with self._reaping:
            if not self._ended.is_set():
                kill_group(self._process)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
