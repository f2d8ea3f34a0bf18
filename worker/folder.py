"""The folder of one attempt: spec.json, policy.json, inputs/, out/, tmp/. Gone when the attempt ends; what a killed
worker left is swept by the next one. An engine that waits for an attempt has tmp/ alone.

A lock file beside each folder is held while its worker lives, so that workers of one host can share the data folder.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from core.policy import Policy
from store.values import Lease

SECRETS = "secrets.json"


class HeldFolder:
    """A fresh folder with a tmp/, as a context manager that removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(f"{path.name}.lock")

    @property
    def temporary(self) -> Path:
        """The engine's TMPDIR."""
        return self.path / "tmp"

    def __enter__(self) -> Self:
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._lock_path)
        try:
            self._fill()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _fill(self) -> None:
        self.path.mkdir(mode=0o700)
        self.temporary.mkdir()

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)


def _lock(path: Path) -> int:
    """A new lock file, locked. One that `sweep` removed between the two steps is made again."""
    while True:
        lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_at(lock, path):
            return lock
        os.close(lock)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class AttemptFolder(HeldFolder):
    """The folder of one attempt below `attempts`."""

    def __init__(self, attempts: Path, lease: Lease) -> None:
        super().__init__(attempts / f"{lease.job_id}.{lease.token}.{os.getpid()}")

    @property
    def inputs(self) -> Path:
        """Where the results of earlier jobs are, by job id."""
        return self.path / "inputs"

    @property
    def out(self) -> Path:
        """Where the engine writes."""
        return self.path / "out"

    def _fill(self) -> None:
        super()._fill()
        self.inputs.mkdir()
        self.out.mkdir()

    @property
    def secrets(self) -> Path:
        """The values of the secrets that the spec names, until the engine has read them."""
        return self.path / SECRETS

    def write_secrets(self, values: dict[str, str]) -> None:
        """For the engine, which removes the file when it has read it; no other user can read it."""
        with open(os.open(self.secrets, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(values, file)

    def write_spec_and_policy(self, spec: dict[str, Any], policy: Policy) -> None:
        """What the engine is to do, and what it may do."""
        (self.path / "spec.json").write_text(json.dumps(spec))
        (self.path / "policy.json").write_text(policy.model_dump_json())


def attempts_below(data_dir: Path) -> Path:
    """Where the attempts of a worker have their folders."""
    return data_dir.absolute() / "attempts"


def cache_below(data_dir: Path) -> Path:
    """What engines of a worker keep between jobs: downloads, decoded images, compiled code."""
    return data_dir.absolute() / "cache"


def sweep(attempts: Path) -> list[Path]:
    """Remove the folders whose worker is dead, that of an attempt or of a waiting engine; those that were there."""
    return [lock.with_suffix("") for lock in attempts.glob("*.lock") if _remove_if_dead(lock)]


def attempt_of(folder: Path) -> tuple[str, int] | None:
    """The job's id and the token of the attempt that had this folder; None for other folders."""
    job_id, _, rest = folder.name.partition(".")
    token, _, _ = rest.partition(".")
    return (job_id, int(token)) if token.isdecimal() else None


def held(attempts: Path) -> list[Path]:
    """The folders of attempts whose worker lives."""
    return [lock.with_suffix("") for lock in attempts.glob("job_*.lock") if _is_held(lock)]


def _is_held(lock_path: Path) -> bool:
    with _try_lock(lock_path) as is_ours:
        return is_ours is False


def _remove_if_dead(lock_path: Path) -> bool:
    folder = lock_path.with_suffix("")
    with _try_lock(lock_path) as is_ours:
        if not is_ours:
            return False
        was_there = folder.is_dir()  # else its owner may have made no more than the lock file
        shutil.rmtree(folder, ignore_errors=True)
        lock_path.unlink(missing_ok=True)
        return was_there


@contextmanager
def _try_lock(path: Path) -> Iterator[bool | None]:
    """Whether the lock was free, and is held for the block; None where there is no such lock any more."""
    try:
        lock = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True if _is_at(lock, path) else None
    finally:
        os.close(lock)
