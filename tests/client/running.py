"""`retort` and `retort up` as processes, as a person or a script runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
READY = "Retort is ready at "


def environment(**more: str) -> dict[str, str]:
    """This environment without Retort's own variables, which a developer may have set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RETORT_")}
    return kept | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"} | more


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def retort(*arguments: str, url: str | None = None, stdin: str = "", timeout: float = 120, cwd: Path = ROOT) -> Done:
    """The outcome of one `retort` command."""
    more = {"RETORT_URL": url} if url else {}
    done = subprocess.run(
        [sys.executable, "-m", "retort", *arguments],
        env=environment(PYTHONPATH=str(ROOT), **more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=cwd,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Up:
    """A running `retort up`."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-m", "retort", "up", "--port", "0", "--data", str(data), *arguments],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        if not line.startswith(READY):
            raise RuntimeError(self.process.stderr.read())
        self.url = line.removeprefix(READY).strip()

    def descendants(self) -> dict[int, str]:
        """The processes below this one, by id, with their command lines."""
        found: dict[int, str] = {}
        parents = [self.process.pid]
        while parents:
            for child in _children(parents.pop()):
                found[child] = _command(child)
                parents.append(child)
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int], seconds: float) -> bool:
    """Whether all processes have ended within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
