"""One engine at work: a spare that waited, or started now; stopped by signal, then force; ended when the worker dies.

Three things end an engine that does not end by itself: a verdict (cancel, shutdown, deadline, lost lease), asked for
every WATCH_SECONDS on a thread that touches no database; a worker that leaves the trainer; and the end of the worker
process, which the engine sees as the end of an inherited pipe.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, cast

from worker.engine import Engine, kill_group, start
from worker.listening import Listener
from worker.spares import Spares

WATCH_SECONDS = 0.2


class Verdict(Enum):
    """Why the worker ends an engine. All but `LOST` give it time to write a checkpoint."""

    CANCEL = "cancel"
    SHUTDOWN = "shutdown"
    DEADLINE = "deadline"
    LOST = "lost"


@dataclass(frozen=True)
class Order:
    """What to start: the command before the flags, the attempt's folder and cache, and how."""

    command: Sequence[str]
    folder: Path
    cache: Path
    environment: dict[str, str]
    resume: bool
    plan: bool
    grace_seconds: Mapping[Verdict, float]

    def arguments(self, parent_pipe: int) -> list[str]:
        """What the engine's command line says after the command."""
        flags = ["--resume"] * self.resume + ["--plan"] * self.plan
        return [
            *("--spec", str(self.folder / "spec.json"), "--out", str(self.folder / "out")),
            *("--policy", str(self.folder / "policy.json"), "--inputs", str(self.folder / "inputs")),
            *("--cache", str(self.cache), "--events", "json", "--parent-pipe", str(parent_pipe)),
            *flags,
        ]


@dataclass(frozen=True)
class Ending:
    """How an engine ended: its exit status or the signal that killed it; the verdict, where the worker ended it."""

    status: int | None
    signal_name: str | None
    verdict: Verdict | None


class Trainer:
    """A running engine, as a context manager that leaves no process of its group behind."""

    def __init__(self, order: Order, verdict: Callable[[], Verdict | None], spares: Spares | None = None) -> None:
        """`verdict` is asked often and must not block; its first answer is final, except that LOST overrules. `spares`
        are tried before an engine is started."""
        self._order = order
        self._ask = verdict
        self._spares = spares
        self._verdict: Verdict | None = None
        self._kill_at: float | None = None  # by the monotonic clock
        self._reaping = threading.Lock()  # held while the group is signalled or its leader reaped
        self._ended = threading.Event()

    def __enter__(self) -> "Trainer":
        self._engine = self._warm_engine() or self._cold_engine()
        self._process = self._engine.process
        self.listener = Listener(cast(BinaryIO, self._process.stdout), cast(BinaryIO, self._process.stderr))
        self._watcher = threading.Thread(target=self._watch, name="engine-watch", daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill_group()
        self._watcher.join()
        self.listener.close()
        self._engine.release()

    def _warm_engine(self) -> Engine | None:
        return self._spares.take(self._order.folder, self._order.arguments) if self._spares else None

    def _cold_engine(self) -> Engine:
        return start(
            lambda parent_pipe: [*self._order.command, *self._order.arguments(parent_pipe)],
            cwd=self._order.folder,
            environment=self._order.environment,
        )

    @property
    def pid(self) -> int:
        """Process id, which is the id of the process group as well."""
        return self._process.pid

    def has_ended(self) -> bool:
        """Whether the engine and all of its group are gone."""
        return self._ended.is_set()

    def wait(self) -> Ending:
        """How the engine ended, once it has."""
        self._ended.wait()
        code = self._process.returncode
        if code < 0:
            return Ending(status=None, signal_name=_signal_name(-code), verdict=self._verdict)
        return Ending(status=code, signal_name=None, verdict=self._verdict)

    def _watch(self) -> None:
        while not self._has_exited():
            self._heed(self._ask())
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill_group()
            time.sleep(WATCH_SECONDS)
        self._kill_group()  # what the engine started and left behind
        with self._reaping:
            self._process.wait()
            self._ended.set()

    def _heed(self, verdict: Verdict | None) -> None:
        if verdict is Verdict.LOST:
            self._verdict, self._kill_at = verdict, time.monotonic()
        elif verdict is not None and self._verdict is None:
            self._verdict, self._kill_at = verdict, time.monotonic() + self._order.grace_seconds[verdict]
            os.kill(self.pid, signal.SIGTERM)

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
