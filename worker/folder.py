"""The folder of one attempt: spec.json, policy.json, inputs/, out/, tmp/. Gone when the attempt ends; what a killed
worker left is swept by the next one. An engine that waits for an attempt has tmp/ alone.

A lock file beside each folder is held while its worker lives, so that workers of one host can share the data folder.
"""

import fcntl
import json
import os
import shutil
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
        self._lock = os.open(self._lock_path, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path.mkdir(mode=0o700)
        self.temporary.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)


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

    def __enter__(self) -> Self:
        super().__enter__()
        self.inputs.mkdir()
        self.out.mkdir()
        return self

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


def sweep(attempts: Path) -> int:
    """Remove the folders whose worker is dead; how many."""
    return sum(_remove_if_dead(lock) for lock in attempts.glob("*.lock"))


def _remove_if_dead(lock_path: Path) -> bool:
    try:
        lock = os.open(lock_path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
        lock_path.unlink(missing_ok=True)
        return True
    finally:
        os.close(lock)
