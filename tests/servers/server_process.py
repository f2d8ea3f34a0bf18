"""A server that the tests start for themselves: its process, its port on loopback, and the URL that reaches it."""

import importlib.util
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 10.0
START_ATTEMPTS = 3


class NotInstalled(Exception):
    """The package that holds the server's program is missing, as on a platform for which it has no wheel."""


@dataclass(frozen=True)
class ServerProcess:
    """One running server.

    `stop_signal` ends it at once: its data is of no use after the tests, so nothing is saved.
    """

    process: subprocess.Popen[bytes]
    url: str
    stop_signal: signal.Signals
    again: Callable[[], subprocess.Popen[bytes]] | None = None

    def start_again(self) -> "ServerProcess":
        """The same server with the same data, after `stop`; it answers a moment later."""
        assert self.again is not None
        return replace(self, process=self.again())

    def stop(self) -> None:
        """End the process and wait until it is gone."""
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def package_folder(module: str, distribution: str) -> Path:
    """The folder of an installed package, which is not imported: only its programs are used.

    Raises:
        NotInstalled: where it is missing.
    """
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise NotInstalled(f"the package {distribution} is not installed (it may have no wheel for this platform)")
    return Path(found.submodule_search_locations[0])


def start_on_free_port(
    start: Callable[[int], subprocess.Popen[bytes]], answers: Callable[[int], bool], log: Path
) -> tuple[subprocess.Popen[bytes], int]:
    """A process that answers, and its port.

    Another program may take the port between the search and the start; then the next one is tried.

    Raises:
        RuntimeError: where no attempt answered; the message has the end of `log`.
    """
    for _ in range(START_ATTEMPTS):
        port = _free_port()
        process = start(port)
        until = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < until:
            if answers(port):
                return process, port
            time.sleep(0.02)
        process.kill()
        process.wait()
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
