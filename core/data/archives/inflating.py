"""The tar inside a compressed tar, inflated once into the cache: members are then read by their place."""

import gzip
import os
import zlib
from pathlib import Path

from core.data.archives.checks import check_sizes
from core.data.tree import READ_BYTES, file_sha256
from core.errors import DatasetInvalid
from core.files.atomic import atomic_path
from core.policy import Policy


def inflate(path: Path, cache: Path, *, policy: Policy) -> Path:
    """The tar inside a .tar.gz, inflated whole or not at all into the cache. DatasetInvalid for bombs and stumps."""
    target = cache / "inflated" / f"{file_sha256(path)}.tar"
    if target.exists():
        os.utime(target)  # used: the cache removes the least recently used first
        return target
    archive_bytes = path.stat().st_size
    with atomic_path(target) as temporary, temporary.open("wb") as out:
        written = 0
        try:
            with gzip.open(path) as source:
                while block := source.read(READ_BYTES):
                    written += len(block)
                    check_sizes(written, archive_bytes, policy)
                    out.write(block)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DatasetInvalid(f"{path.name!r} is truncated or damaged: {error}") from None
    return target
