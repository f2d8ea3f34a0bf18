"""The API key of a service that `retort up` runs on this machine, found without anybody typing it.

`retort up` notes its data folder in a file of the user's state folder, named by the address. The key is in the file
`token` of the data folder. It is sent only while `up.lock` there is locked and names the address: then this user's
`retort up` holds the port, and no program of another user can listen there to receive the key.
"""

import contextlib
import ipaddress
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

if sys.platform != "win32":
    import fcntl

LOCK = "up.lock"
TOKEN = "token"
DATA_FOLDER = Path("var")
NAMES = {"localhost": ("127.0.0.1", "::1")}


@dataclass(frozen=True)
class LocalService:
    """A running service of this user: where it listens, and its API key."""

    url: str
    key: str


def find(url: str) -> LocalService | None:
    """The service of this user that listens at a loopback address; None where there is none, or its keys are off."""
    address = httpx.URL(url)
    if sys.platform == "win32" or address.scheme != "http":
        return None
    for host in NAMES.get(address.host, (address.host,)):
        if not _is_loopback(host):
            continue
        exact = str(httpx.URL(scheme="http", host=host, port=address.port or 80)).rstrip("/")
        for folder in (_noted(host, address.port or 80), DATA_FOLDER):
            key = _key(folder, exact) if folder else None
            if key:
                return LocalService(exact, key)
    return None


def note(host: str, port: int, data: Path) -> Path | None:
    """Note where the data folder of a service is; the note, or None where none can be written."""
    path = _note(host, port)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(str(data))
    except OSError:
        return None
    return path


def read(data: Path) -> str | None:
    """The key in a data folder; None where there is none."""
    try:
        return (data / TOKEN).read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def _note(host: str, port: int) -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "retort" / "services" / f"{host.replace(':', '_')}_{port}"


def _noted(host: str, port: int) -> Path | None:
    with contextlib.suppress(OSError, RuntimeError):
        return Path(_note(host, port).read_text().strip())
    return None


def _key(data: Path, url: str) -> str | None:
    """The key of the service that runs on a data folder and listens at `url`."""
    try:
        with (data / LOCK).open() as lock:
            named = lock.read().partition(" ")[0]
            if named != url or not _is_locked(lock.fileno()) or lock.seek(0) or lock.read().partition(" ")[0] != url:
                return None
    except OSError:
        return None
    return read(data)


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
