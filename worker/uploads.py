"""Files of the engine into the store: the bytes first, then the row that points to them, fenced by the lease.

The engine reads untrusted data, so what it announces is checked: a plain file below its out folder, whose content has
the announced sha256.
"""

import logging
import math
import os
import re
import stat
import time
from pathlib import Path
from typing import BinaryIO

from core.errors import InternalError
from core.events import Artifact, Checkpoint
from store import blobs, leases
from store.values import Blob
from worker.fenced_writes import FencedWrites
from worker.figures import UPLOADED_BYTES

logger = logging.getLogger(__name__)

ARTIFACT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Uploads:
    """Takes in what one engine announces from its folder `out`."""

    def __init__(self, writes: FencedWrites, out: Path, checkpoint_seconds: float) -> None:
        """An engine with short epochs writes many checkpoints: one is stored every `checkpoint_seconds`."""
        self._writes = writes
        self._out = out
        self._checkpoint_seconds = checkpoint_seconds
        self._checkpoint: Checkpoint | None = None  # announced and not stored
        self._stored_at = -math.inf

    def artifact(self, event: Artifact) -> None:
        """A result file; raises InternalError where it is not what was announced."""
        if not ARTIFACT_NAME.fullmatch(event.name):
            raise InternalError(f"the engine announced an artifact named {event.name!r}")
        try:
            blob = self._take_in(event.path, event.sha256)
        except FileNotFoundError:
            raise InternalError(f"the engine announced {event.path!r}, which is not there") from None
        self._writes.write(leases.add_artifact, event.name, event.media_type, blob.sha256, blob.size_bytes)

    def checkpoint(self, event: Checkpoint) -> None:
        """A checkpoint to resume from; it replaces the one before."""
        self._checkpoint = event

    def store_checkpoint(self, *, now: bool) -> None:
        """Store the last announced checkpoint if it is time, or `now`."""
        event = self._checkpoint
        if event is not None and (now or time.monotonic() >= self._stored_at + self._checkpoint_seconds):
            self._checkpoint = None
            if self._store(event):
                self._stored_at = time.monotonic()

    def _store(self, event: Checkpoint) -> bool:
        """Whether it was stored: one that is gone again was replaced by a newer, which is announced next; one that is
        damaged is left out, and the one before stays."""
        try:
            blob = self._take_in(event.path, event.sha256)
        except FileNotFoundError:
            return False
        except InternalError as error:
            logger.warning("%s: checkpoint of step %d left out: %s", self._writes.lease.job_id, event.step, error)
            return False
        self._writes.write(leases.save_checkpoint, blob.sha256, event.path, event.step)
        return True

    def _take_in(self, path: str, sha256: str) -> Blob:
        def once() -> Blob:
            with open_inside(self._out, path) as file:
                return blobs.put(self._writes.database, file)

        blob = self._writes.retry_while_away(once)
        UPLOADED_BYTES.inc(blob.size_bytes)
        if blob.sha256 != sha256:
            raise InternalError(f"{path} has the sha256 {blob.sha256}; the engine announced {sha256}")
        return blob


def open_inside(folder: Path, path: str) -> BinaryIO:
    """A plain file below `folder`, opened to read; raises InternalError for anything else, links included."""
    whole = folder / path
    if Path(path).is_absolute() or not whole.resolve().is_relative_to(folder.resolve()):
        raise InternalError(f"{path!r} is not below the engine's out folder")
    try:
        descriptor = os.open(whole, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe must not block us
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InternalError(f"{path!r} cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InternalError(f"{path!r} is no plain file")
    return os.fdopen(descriptor, "rb")
