"""A process that starts servers when a test first asks for them, and ends them when pytest has ended, however it ended.

    python guardian.py FOLDER

pytest holds the other end of this process's standard input. The end of that input means that pytest is gone, killed or
not: the servers are stopped and FOLDER is removed. A test process asks by connecting to the socket `ask` in FOLDER and
sending the name of a server on a line; the answer is one line of JSON, {"url": ...} or {"missing": reason} or
{"failed": reason}. All processes of pytest-xdist ask the same guardian, so there is one server of a kind in a session.
"""

import contextlib
import json
import selectors
import shutil
import signal
import socket
import sys
from pathlib import Path

from postgres_server import start_postgres
from redis_server import start_redis
from s3_server import start_s3
from server_process import NotInstalled, ServerProcess

STARTERS = {"postgres": start_postgres, "redis": start_redis, "s3": start_s3}


class Guardian:
    """The servers of one session, and the answers about them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: dict[str, dict[str, str]] = {}
        self._running: list[ServerProcess] = []

    def answer(self, name: str) -> dict[str, str]:
        """Where the server of this name is; it is started at the first question."""
        if name not in self._answers:
            self._answers[name] = self._start(name)
        return self._answers[name]

    def stop(self) -> None:
        """End all servers and remove what they wrote."""
        for server in self._running:
            server.stop()
        shutil.rmtree(self._folder)

    def _start(self, name: str) -> dict[str, str]:
        folder = self._folder / name
        folder.mkdir()
        try:
            server = STARTERS[name](folder)
        except NotInstalled as error:
            return {"missing": str(error)}
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"}
        self._running.append(server)
        return {"url": server.url}


def main() -> None:
    """Answer until the standard input ends."""
    folder = Path(sys.argv[1])
    guardian = Guardian(folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as ready:
        listening.bind(str(folder / "ask"))
        listening.listen()
        ready.register(sys.stdin, selectors.EVENT_READ)
        ready.register(listening, selectors.EVENT_READ)
        try:
            while not any(key.fileobj is sys.stdin for key, _ in ready.select()):
                with contextlib.suppress(OSError):  # who asked may be gone
                    _serve(listening, guardian)
        finally:
            guardian.stop()


def _serve(listening: socket.socket, guardian: Guardian) -> None:
    connection, _ = listening.accept()
    with connection, connection.makefile("rw") as channel:
        channel.write(json.dumps(guardian.answer(channel.readline().strip())) + "\n")


if __name__ == "__main__":
    main()
