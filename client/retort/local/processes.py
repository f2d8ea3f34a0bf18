"""The processes that `retort up` holds: each in its own session, its output in a log file, bound to its life."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
# A log that has grown beyond this is put aside; the one that was put aside before goes.
LOG_BYTES = 10 << 20
TAIL_LINES = 15

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Child:
    """One process by name; `start` may be called again after its end."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    log: Path
    pass_fds: tuple[int, ...] = ()
    starts: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    start_again_at: float | None = None  # where it has died

    def start(self, now: float) -> None:
        """Start the process; `now` is kept, to tell how often it had to be."""
        self.trim_log()
        self.start_again_at = None
        self.starts.append(now)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.pass_fds,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends the children in order
                preexec_fn=die_with_parent(os.getpid()),
            )

    def trim_log(self) -> None:
        """Put the log aside if it is too long. It is copied, because the process writes on at the end of this file."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            try:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            except OSError:  # the disk is full: then the space is worth more than the log
                self.log.with_suffix(".log.1").unlink(missing_ok=True)
            os.truncate(self.log, 0)

    def exit_status(self) -> int | None:
        """The exit status; None while the process lives."""
        return self.process.poll() if self.process else None

    def signal(self, number: int) -> None:
        """Send a signal to the process group, if it is still there."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether the process has ended within so many seconds."""
        if self.process is None:
            return True
        try:
            self.process.wait(max(seconds, 0.01))
        except subprocess.TimeoutExpired:
            return False
        return True

    def last_words(self) -> str:
        """The end of the log, indented."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if self.log.exists() else []
        return "\n".join(f"  {line}" for line in lines)


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """What the child runs before it becomes another program: SIGTERM when this parent dies, even by SIGKILL (Linux)."""
    if (libc := _libc) is None:
        return None

    def bind() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return bind
