"""Engines that wait with PyTorch loaded, so that a job does not begin with seconds of imports.

An engine takes one job in its life, so nothing of a job is left for the next. The successor starts when the job does,
not when it ends: jobs that follow each other find a warm engine. It loads at low priority (core.process.standby),
because it shares the cores with the job that runs. A warm engine that fails costs those seconds and never the job: one
that died or is not ready yet is passed over, and no other is started before the next job.
"""

import json
import logging
import os
import select
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from worker.engine import Engine, kill_group, start
from worker.environment import engine_environment
from worker.folder import HeldFolder
from worker.guards import Guards

logger = logging.getLogger(__name__)

READY = b"\n"
STDERR_BYTES = 2000


class WarmEngine:
    """One waiting engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.started_at = time.monotonic()
        self._ready = False

    @property
    def pid(self) -> int:
        """Process id."""
        return self.engine.process.pid

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.engine.process.poll() is None

    def is_ready(self) -> bool:
        """Whether it has reported that everything is loaded."""
        self._ready = self._ready or _available(self.engine.process.stdout, len(READY)) == READY
        return self._ready

    def begin(self, folder: Path, arguments: Callable[[int], list[str]]) -> bool:
        """Hand over the job; whether the process was there to take it."""
        request = {"folder": str(folder), "arguments": arguments(self.engine.parent_pipe)}
        try:
            with cast(BinaryIO, self.engine.process.stdin) as stdin:
                stdin.write(f"{json.dumps(request)}\n".encode())
        except OSError:  # a broken pipe
            return False
        return True

    def stderr_text(self) -> str:
        """What it wrote to standard error, cut."""
        return _available(self.engine.process.stderr, STDERR_BYTES).decode("utf-8", "replace").strip()

    def end(self) -> None:
        """End the process and remove what is its."""
        process = self.engine.process
        if self.is_alive():
            kill_group(process)
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            cast(BinaryIO, pipe).close()
        self.engine.release()


class WarmPool:
    """The waiting engines of one worker: at most `most`, each for at most `seconds`; safe to share between threads."""

    def __init__(
        self,
        command: Sequence[str],
        allowed: Sequence[str],
        attempts: Path,
        cache: Path,
        *,
        guards: Guards,
        most: int,
        seconds: float,
    ) -> None:
        """`allowed` is what an engine may see of the environment; `attempts` is where engines have their folders,
        `cache` what they keep between jobs."""
        self._command = [*command, "wait"]
        self._allowed = allowed
        self._attempts = attempts
        self._cache = cache
        self._guards = guards
        self._most = self._wanted = most
        self._seconds = seconds
        self._waiting: list[WarmEngine] = []
        self._unfit: list[WarmEngine] = []
        self._lock = threading.Lock()

    def take(self, folder: Path, arguments: Callable[[int], list[str]]) -> Engine | None:
        """An engine that begins in `folder` with `arguments(parent_pipe)`, which is the caller's from now on; None
        where none is ready."""
        with self._lock:
            self._wanted = self._most
            for warm in [one for one in self._waiting if one.is_alive() and one.is_ready()]:
                self._waiting.remove(warm)
                if self._guards.user is not None:
                    self._guards.user.give(folder)
                if warm.begin(folder, arguments):
                    return warm.engine
                self._unfit.append(warm)
        return None

    def ready(self) -> list[int]:
        """Process ids of those that a job could take."""
        with self._lock:
            return [warm.pid for warm in self._waiting if warm.is_alive() and warm.is_ready()]

    def maintain(self) -> None:
        """End what died or waited too long, which is not replaced before the next job; start what is missing."""
        with self._lock:
            for warm in [one for one in self._waiting if self._is_unfit(one)]:
                self._waiting.remove(warm)
                self._unfit.append(warm)
                self._wanted -= 1
            while len(self._waiting) < self._wanted:
                self._waiting.append(self._start())
        self._end_unfit()

    def close(self) -> None:
        """End all, for good."""
        with self._lock:
            self._most = self._wanted = 0
            self._unfit += self._waiting
            self._waiting = []
        self._end_unfit()

    def _is_unfit(self, warm: WarmEngine) -> bool:
        if warm.is_alive():
            return time.monotonic() - warm.started_at > self._seconds
        status = warm.engine.process.returncode
        logger.warning(
            "a waiting engine ended with status %s; the next job starts cold: %s", status, warm.stderr_text()
        )
        return True

    def _end_unfit(self) -> None:
        """Outside the lock, for no job should wait until a process is gone."""
        with self._lock:
            unfit, self._unfit = self._unfit, []
        for warm in unfit:
            warm.end()

    def _start(self) -> WarmEngine:
        folder = HeldFolder(self._attempts / f"warm_{uuid.uuid4().hex}")
        engine = start(
            lambda _: self._command,
            cwd=folder.path,
            environment=engine_environment(os.environ, self._allowed, temporary=folder.temporary, cache=self._cache),
            guards=self._guards,
            stdin=subprocess.PIPE,
            held=folder,
        )
        return WarmEngine(engine)


def _available(pipe: object, most: int) -> bytes:
    """What can be read at once, past any buffer: the pipe's reader is yet to come."""
    descriptor = cast(BinaryIO, pipe).fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return os.read(descriptor, most) if poll.poll(0) else b""
