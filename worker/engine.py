"""Starting an engine process: a group of its own, pipes to hear it by, and a leash that ends it with this process."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

from core.errors import HostFault
from worker.engine_limits import bind_self, bound, limits
from worker.guards import Guards


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
    guards: Guards,
    stdin: int = subprocess.DEVNULL,
    held: AbstractContextManager[object] | None = None,
) -> Engine:
    """Start `command(parent_pipe)` in `cwd`, which becomes the engine's own; raises HostFault. `held` is left when the
    engine is released, or cannot start."""
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
                    env=environment if guards.user is None else {**environment, "HOME": str(cwd / "tmp")},
                    pass_fds=(read_end,),
                    process_group=0,
                    **_as_user(guards, cwd),
                )
            finally:
                os.close(read_end)
        except (OSError, subprocess.SubprocessError) as error:
            raise HostFault(f"no engine process could be started: {error}") from error
        if guards.user is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                bound(process.pid, guards.max_file_bytes)
        return Engine(process, read_end, write_end, belongings.pop_all())


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]
    preexec_fn: Callable[[], None]


def _as_user(guards: Guards, folder: Path) -> _Identity:
    """What makes the process one of the engines' user, who gets the folder.

    It limits itself before it becomes the engine: root of a container may not limit a process of another user.
    """
    if guards.user is None:
        return {}
    guards.user.give(folder)
    bind = partial(bind_self, limits(guards.max_file_bytes))
    return {"user": guards.user.uid, "group": guards.user.gid, "extra_groups": [], "preexec_fn": bind}


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the engine and all that it started. Only while it has not been reaped: then the id may be another's."""
    os.killpg(process.pid, signal.SIGKILL)
