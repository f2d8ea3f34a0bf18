"""The parent's side: each run once, in a process of its own, after those that it needs; what is done stays done."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.comparison.runs import Errand, Finished, Run, located
from worker.environment import SPIN_COUNT

ROOT = Path(__file__).parents[2]


class RunFailed(Exception):
    """A run, or one that it needs, did not end well; the message is the reason."""


class NotDone(Exception):
    """Nobody has done the run yet, and it is not to be done now."""


class Runner:
    """Runs by their content. Threads may share it: a run that two of them want is waited for by one."""

    def __init__(self, out: Path, data: Path, tell: Callable[[str], None], *, only_done: bool = False) -> None:
        """`out`: for finished runs, logs and kept weights; `data`: what {data} stands for; `tell`: takes a line;
        `only_done`: run nothing."""
        self._folders = {"data": data, "kept": out / "kept"}
        self._logs, self._tell, self._only_done = out / "logs", tell, only_done
        self._finished = Finished(out / "finished.jsonl")
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._failed: dict[str, str] = {}
        self._guard = threading.Lock()
        for folder in (self._folders["kept"], self._logs):
            folder.mkdir(parents=True, exist_ok=True)

    def outcome(self, run: Run, name: str) -> dict[str, Any]:
        """What came of the run, now or earlier; `name` is for people. Raises RunFailed, NotDone."""
        with self._lock_of(run):
            if run.key in self._failed:
                raise RunFailed(self._failed[run.key])
            done = self._finished.get(run)
            is_there = not run.is_kept or self._only_done or (self._folders["kept"] / run.key).is_dir()
            if done is not None and is_there:
                return done
            if self._only_done:
                raise NotDone
            try:
                for needed in run.after:
                    self.outcome(needed, f"{name}: needed before")
                outcome = self._run(run, name)
            except RunFailed as error:
                self._failed[run.key] = str(error)
                self._tell(f"{name}: failed: {error}; see {self._logs / run.key}.txt")
                raise
            self._finished.add(run, outcome)
            return outcome

    def _lock_of(self, run: Run) -> threading.Lock:
        with self._guard:
            return self._locks[run.key]

    def _run(self, run: Run, name: str) -> dict[str, Any]:
        began = time.time()
        with tempfile.TemporaryDirectory(prefix="comparison-") as scratch:
            result, log = Path(scratch) / "outcome.json", self._logs / f"{run.key}.txt"
            errand = Errand(
                spec=located(run.spec, self._folders),
                tests=located(run.tests, self._folders),
                tested=run.tested,
                kept=str(self._folders["kept"]),
                scratch=scratch,
                result=str(result),
                started_at=began,
            )
            with log.open("wb") as file:
                command = [sys.executable, "-m", "benchmarks.comparison.child", errand.to_json()]
                environment = {**os.environ, **SPIN_COUNT}
                subprocess.run(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, check=False)
            if not result.exists():
                lines = log.read_text(errors="replace").strip().splitlines()
                raise RunFailed(lines[-1] if lines else "the process ended and said nothing")
            if run.is_kept:
                self._keep(run, Path(scratch) / "out/artifacts")
            outcome: dict[str, Any] = json.loads(result.read_text())
        scores = {"": outcome["test_top1"], **outcome["tests"]}
        told = ", ".join(f"{where} {top1:.1%}".strip() for where, top1 in scores.items())
        self._tell(f"{name}: {told}; {time.time() - began:.0f} s")
        return outcome

    def _keep(self, run: Run, artifacts: Path) -> None:
        folder = self._folders["kept"] / run.key
        unfinished = folder.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.mkdir()
        for path in artifacts.glob("*.safetensors"):
            shutil.copy(path, unfinished)
        unfinished.rename(folder)
