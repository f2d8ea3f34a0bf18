"""`retort up`: API, worker and SQLite on this machine, as children of one process that ends all of them.

A child that dies, at its start or later, is started again after a pause that doubles, never silently, and at most
RESTARTS times in RESTART_WINDOW_SECONDS: the socket stays open meanwhile, and the job that ran goes on from its
checkpoint.
"""

import fcntl
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import httpx

from retort import local_service, output
from retort.errors import RetortError
from retort.local.processes import Child

READY_SECONDS = 60.0
# The worker lets its engine write a checkpoint, which it does within 25 seconds; then it is ended by force.
STOP_SECONDS = 28.0
RESTARTS = 5
RESTART_WINDOW_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 0.25
TRIM_SECONDS = 30.0
TICK_SECONDS = 0.2
LOCK_TRIES = 5
LOCK_PAUSE_SECONDS = 0.05


class CannotRun(RetortError):
    """`retort up` cannot run, or had to give up."""


class Taken(CannotRun):
    """The port or the data folder is in use."""

    exit_code = 4


def run(host: str, port: int, data: Path, *, open_to_all: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; the exit code (0 when it was told to end). Raises CannotRun, ValueError."""
    _check_loopback(host)
    data = data.resolve()
    make_private(data)
    (data / "logs").mkdir(exist_ok=True)
    lock = _lock(data)
    with _listen(host, port) as listening:
        url = _url(listening)
        lock.say(f"{url} (process {os.getpid()})")
        bound_host, bound_port = listening.getsockname()[:2]
        noted = local_service.note(bound_host, bound_port, data)
        try:
            return _Supervisor(listening, url, data, open_to_all).run()
        finally:
            if noted:
                noted.unlink(missing_ok=True)


def make_private(folder: Path) -> None:
    """Make the data folder, or take it from other users where it exists."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        folder.chmod(0o700)
    except OSError as error:
        raise CannotRun(f"the data folder {folder} cannot be closed to other users: {error.strerror}") from None


class _Supervisor:
    def __init__(self, listening: socket.socket, url: str, data: Path, open_to_all: bool) -> None:
        environment = {
            **os.environ,
            "RETORT_DATA_DIR": str(data),
            "RETORT_DATABASE_URL": f"sqlite:///{data / 'retort.db'}",
            "RETORT_BROKER_URL": "memory://",
            "RETORT_AUTHENTICATION": "open" if open_to_all else "keys",
        }
        self.url = url
        self.data = data
        self.open_to_all = open_to_all
        self.environment = environment
        self.told_to_end = False
        fd = listening.fileno()
        logs = data / "logs"
        python = [sys.executable, "-m"]
        self.api = Child("api", [*python, "api", "--fd", str(fd)], environment, logs / "api.log", (fd,))
        self.worker = Child("worker", [*python, "worker"], environment, logs / "worker.log")
        self.children = [self.api, self.worker]

    def run(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self._migrate()
        try:
            for child in self.children:
                child.start(time.monotonic())
            if self._became_ready():
                print(f"Retort is ready at {self.url}", flush=True)
                output.notice(self._dashboard())
                output.notice(f"data and logs in {self.data}; Ctrl-C ends everything")
            trim_at = time.monotonic()
            while not self.told_to_end:
                self._restart_the_dead()
                if time.monotonic() >= trim_at:
                    trim_at = time.monotonic() + TRIM_SECONDS
                    for child in self.children:
                        child.trim_log()
                time.sleep(TICK_SECONDS)
        finally:
            self._stop()
        return 0

    def _dashboard(self) -> str:
        """What to tell about the dashboard: a link that signs a browser in, so that nobody types a key."""
        if self.open_to_all:
            return "open to everybody on this machine: no API key is needed"
        headers = {"Authorization": f"Bearer {local_service.read(self.data)}"}
        made = httpx.post(f"{self.url}/v1/session/links", headers=headers, timeout=READY_SECONDS, trust_env=False)
        if made.status_code != 201:
            return f"no link to the dashboard could be made: {made.text}"
        link = f"{self.url}{made.json()['path']}"
        return f"dashboard: {link} (signs a browser in once; `retort dashboard` makes another link)"

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.told_to_end = True

    def _migrate(self) -> None:
        command = [sys.executable, "-m", "migrations"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode and not self.told_to_end:
            tail = "\n".join(f"  {line}" for line in done.stderr.splitlines()[-15:])
            raise CannotRun(f"the database in {self.data} could not be brought up to date:\n{tail}")

    def _became_ready(self) -> bool:
        """Wait for /readyz; False where a signal came first."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.told_to_end:
            self._restart_the_dead()
            try:
                # The environment's proxies are not for loopback.
                answered = httpx.get(f"{self.url}/readyz", timeout=2.0, trust_env=False).status_code == 200
                if answered and all(child.exit_status() is None for child in self.children):
                    return True
            except httpx.HTTPError:
                pass
            if time.monotonic() > deadline:
                raise CannotRun(f"not ready after {READY_SECONDS:.0f} s:\n{self.api.last_words()}")
            time.sleep(0.05)
        return False

    def _restart_the_dead(self) -> None:
        for child in self.children:
            status = child.exit_status()
            if status is None or self.told_to_end:
                continue
            now = time.monotonic()
            recent = [start for start in child.starts if now - start < RESTART_WINDOW_SECONDS]
            if len(recent) > RESTARTS:
                raise CannotRun(
                    f"the {child.name} ended {len(recent)} times, the last time with exit status {status}. The end of "
                    f"its log, {child.log}:\n{child.last_words()}"
                )
            if child.start_again_at is None:
                pause = FIRST_PAUSE_SECONDS * 2 ** (len(recent) - 1)
                child.start_again_at = now + pause
                output.notice(
                    f"retort: the {child.name} died (exit status {status}); it is started again in {pause:g} s. "
                    f"Its log: {child.log}"
                )
            elif now >= child.start_again_at:
                child.start(now)

    def _stop(self) -> None:
        """The worker first, for it may write a checkpoint; nothing outlives this."""
        for child in self.children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children:
            if not child.wait(deadline - time.monotonic()):
                output.notice(f"retort: the {child.name} did not end in time and is killed")
                child.signal(signal.SIGKILL)
                child.wait(2.0)


class _Lock:
    """An advisory lock on a file, held until the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def say(self, text: str) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)


def _lock(data: Path) -> _Lock:
    path = data / "up.lock"
    for _ in range(LOCK_TRIES):
        try:
            return _Lock(path)
        except BlockingIOError:  # a client that looks whether it is locked holds it for a moment
            time.sleep(LOCK_PAUSE_SECONDS)
    holder = path.read_text() or "another process"
    raise Taken(f"the data folder {data} is in use: Retort runs on it at {holder}")


def _check_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(
            f"--host {host!r} is refused: `retort up` listens on loopback only (127.0.0.1, ::1, localhost). For other "
            "machines run `python -m api --host`, with API keys: docs/how-to/deployment.md"
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Taken(f"cannot listen on {host} port {port}: {error.strerror} (--port 0 picks a free one)") from None
    listening.listen(2048)
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
