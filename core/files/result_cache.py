"""A cache of small results that later jobs use again, as files addressed by the content that a result depends on.

A damaged file is ignored, and its result is computed again. A cache that is full or not writable stores nothing, and no
job fails because of it. The least recently used files are removed first.
"""

import contextlib
import hashlib
import json
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.errors import DiskFull
from core.files.atomic import write_atomically

FOLDER = "result-cache"
MAX_BYTES = 256 << 20
CRC_BYTES = 4
_log = logging.getLogger(__name__)


class ResultCache:
    """Results in the engine's folder `cache`, `max_bytes` in total."""

    def __init__(self, cache: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = cache / FOLDER
        self._max_bytes = max_bytes

    def recall(self, kind: str, address: str) -> bytes | None:
        """The stored result; None if there is none or it is damaged."""
        path = self._path(kind, address)
        try:
            content = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("the stored result for a %s cannot be read: %s", kind, error)
            return None
        content, crc = content[:-CRC_BYTES], content[-CRC_BYTES:]
        if zlib.crc32(content).to_bytes(CRC_BYTES, "little") == crc:
            return content
        _log.warning("the stored result for a %s is damaged and is computed again: %s", kind, path.name)
        return None

    def keep(self, kind: str, address: str, content: bytes) -> None:
        """Store a result, unless it alone needs more than a quarter of the space."""
        if 4 * len(content) > self._max_bytes:
            return
        try:
            crc = zlib.crc32(content).to_bytes(CRC_BYTES, "little")
            write_atomically(self._path(kind, address), content + crc)
            self._evict()
        except (OSError, DiskFull) as error:
            _log.warning("the result for a %s is not stored for later jobs: %s", kind, error)

    def _path(self, kind: str, address: str) -> Path:
        return self._folder / f"{kind}-{address}"

    def _evict(self) -> None:
        found = []
        for path in self._folder.iterdir():  # files that a killed process left half written count too
            with contextlib.suppress(FileNotFoundError):  # another process removes files too
                found.append((path, path.stat()))
        left = self._max_bytes - sum(about.st_size for _, about in found)
        for path, about in sorted(found, key=lambda pair: pair[1].st_mtime_ns):
            if left >= 0:
                return
            path.unlink(missing_ok=True)
            left += about.st_size


def content_address(facts: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> str:
    """The sha256 over JSON values and the contents of tensors, as a file name."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, value in sorted((tensors or {}).items()):
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
