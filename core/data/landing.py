"""Atomic files and folders: written under a temporary name, synced, then renamed."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DiskFull


@contextmanager
def landing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target`. Make a file or a folder there; in the end it is synced and renamed.

    On an error nothing is left. Raises DiskFull where the disk is. Two writers of one target: the later rename wins,
    and for a folder the earlier stays, which is the same since targets are named by their content.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{uuid.uuid4().hex}.part"
    try:
        yield temporary
        _sync(temporary)
        _rename(temporary, target)
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


def _rename(temporary: Path, target: Path) -> None:
    if temporary.is_dir() and target.is_dir():
        return
    os.replace(temporary, target)


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
