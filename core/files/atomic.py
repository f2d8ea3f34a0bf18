"""Atomic files and folders: whenever the process dies, each is either complete or absent."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DiskFull


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Gives a temporary path beside `target`, at which the block makes a file or a folder. At the end of the block it
    is flushed to disk and renamed to `target`.

    A file replaces an earlier one. A folder that exists stays: folders are named by their content, so both are equal.
    If the block raises, nothing is left, and `target` stays as it was. Raises DiskFull if the disk has no space.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{uuid.uuid4().hex}.part"
    try:
        yield temporary
        _sync(temporary)
        if not (temporary.is_dir() and target.is_dir()):
            temporary.replace(target)
        _sync_one(target.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no space was left below {target.parent.name!r} while {target.name!r} was written"
            ) from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write bytes, or text as UTF-8, to `path` atomically; returns the path."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _sync(path: Path) -> None:
    if path.is_dir():
        for child in path.iterdir():
            _sync(child)
    _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
