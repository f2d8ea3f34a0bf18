"""A Retort service of the demo's own: on a free port, in a temporary folder, gone when the demo ends."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from retort.errors import RetortError
from retort.local.processes import die_with_parent

READY = "Retort is ready at "
STOP_SECONDS = 35


@contextlib.contextmanager
def embedded() -> Iterator[str]:
    """The address of a service that lives as long as the block."""
    with tempfile.TemporaryDirectory(prefix="retort-demo-") as folder:
        command = [sys.executable, "-m", "retort", "up", "--port", "0", "--data", str(Path(folder) / "data")]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=die_with_parent(os.getpid())
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith(READY):
                raise RetortError(f"`retort up` did not start (exit status {process.wait()})")
            yield line.removeprefix(READY).strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
