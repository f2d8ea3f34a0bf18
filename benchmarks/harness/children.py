"""The parent's side of one child: start it, hear from it, let it run a block, end it."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from benchmarks.harness.load import others_share, read_load
from benchmarks.harness.request import Request

ROOT = Path(__file__).parents[2]
BLOCK_PATIENCE = 120.0  # seconds beyond a block's length: one slow step
END_PATIENCE = 20.0  # seconds for a child to end its own workers


class ChildFailed(Exception):
    """The child ended, or was too slow; the message is the reason."""


def time_left(end: float | None, most: float) -> float:
    """Seconds that a child may take, `most` or what is left until `end` (time.monotonic() seconds); raises ChildFailed
    where nothing is."""
    left = most if end is None else min(most, end - time.monotonic())
    if left <= 0:
        raise ChildFailed("left out, for the time was up")
    return left


@dataclass(frozen=True)
class Block:
    """One timed block: what the child said of it, and the share of the machine that others took meanwhile."""

    facts: dict[str, Any]
    other_load: float | None

    @property
    def steps_per_second(self) -> float:
        """Training steps a second."""
        return float(self.facts["steps"] / self.facts["seconds"])


class Child:
    """A running variant. `environment` is added to the parent's own."""

    def __init__(self, request: Request, environment: dict[str, str] | None = None) -> None:
        logs = Path(request.root) / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{request.work_name}-{request.variant}.txt".replace("/", "-")
        self.started_at = time.time()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.harness.child", request.to_json()],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def wait_ready(self, patience: float) -> dict[str, Any]:
        """The facts that the child tells when it has warmed up; raises ChildFailed after `patience` seconds."""
        return self._hear(patience)

    def run_block(self, seconds: float) -> Block:
        """Let the child train for so long; raises ChildFailed."""
        before = read_load(self._process.pid)
        began = time.perf_counter()
        self._tell(str(seconds))
        facts = self._hear(seconds + BLOCK_PATIENCE)
        after = read_load(self._process.pid)
        return Block(facts, others_share(before, after, time.perf_counter() - began))

    def stop(self) -> None:
        """End the process, gently where it listens."""
        try:
            self._tell("stop")
            self._process.wait(END_PATIENCE)
        except (OSError, ValueError, ChildFailed, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is None or self._process.poll() is not None:
            raise ChildFailed(self._last_words())
        pipe.write(line + "\n")
        pipe.flush()

    def _hear(self, patience: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=patience)
        except queue.Empty:
            raise ChildFailed(f"no answer within {patience:.0f} s") from None
        if not line:
            raise ChildFailed(self._last_words())
        message: dict[str, Any] = json.loads(line)
        if message.pop("event") == "failed":
            raise ChildFailed(message["reason"])
        return message

    def _listen(self, pipe: TextIO) -> None:
        for line in pipe:
            self._lines.put(line)
        self._lines.put("")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"the process ended: {lines[-1] if lines else 'it said nothing'}"
