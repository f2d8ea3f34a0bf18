"""Starting an engine process: a group of its own, pipes to hear it by, and a leash that ends it with this process."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from core.errors import HostFault
from worker.engine_limits import bound


@dataclass(frozen=True)
class Engine:
    """A started engine. `parent_pipe` is the descriptor, in the engine, whose end of file says that we died; `leash` is
    its other end."""

    process: subprocess.Popen[bytes]
    parent_pipe: int
    leash: int
    belongings: ExitStack

    def renew(self) -> None:
        """Tell the engine that its worker lives; nothing where it does not listen or is gone."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self.leash, b".")

    def release(self) -> None:
        """Let go of what was held for the engine; its processes must be gone."""
        self.belongings.close()


def start(
    command: Callable[[int], Sequence[str]],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    held: AbstractContextManager[object] | None = None,
) -> Engine:
    """Start `command(parent_pipe)`; raises HostFault. `held` is left when the engine is released, or cannot start."""
    with ExitStack() as belongings:
        if held is not None:
            belongings.enter_context(held)
        try:
            read_end, write_end = os.pipe()  # the engine reads; the end of this process closes our end
            belongings.callback(os.close, write_end)
            os.set_blocking(write_end, False)
            try:
                process = subprocess.Popen(
                    command(read_end),
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=cwd,
                    env=environment,
                    pass_fds=(read_end,),
                    process_group=0,
                )
            finally:
                os.close(read_end)
        except OSError as error:
            raise HostFault(f"no engine process could be started: {error}") from error
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            bound(process.pid)
        return Engine(process, read_end, write_end, belongings.pop_all())


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the engine and all that it started. Only while it has not been reaped: then the id may be another's."""
    os.killpg(process.pid, signal.SIGKILL)
