"""Atomic files and folders: whenever the process dies, each is either complete or absent."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DiskFull, RetortError, means_full_disk

# Less than any file system's block: whether it can be written tells whether the disk is full.
PROBE_BYTES = 4096


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
    except RetortError:
        raise
    except Exception as error:
        # Asked while the unfinished file still takes the space. PyTorch's writer says nothing of the disk.
        is_disk_full = means_full_disk(error) or (isinstance(error, RuntimeError) and is_full(target.parent))
        for beside in target.parent.glob(f"{temporary.name}-*"):  # such as the journal of a database
            beside.unlink(missing_ok=True)
        if is_disk_full:
            raise DiskFull(
                f"no space was left below {target.parent.name!r} while {target.name!r} was written",
                hint="free space on the worker's disk; the job goes on then",
            ) from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def is_full(folder: Path) -> bool:
    """Whether not even a small file can be written to a folder, for lack of space or by a quota."""
    probe = folder / f".{uuid.uuid4().hex}.probe"
    try:
        with probe.open("wb") as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return means_full_disk(error)
    finally:
        probe.unlink(missing_ok=True)
    return False


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
