"""Decoded images as one file of uint8 rows: made by many threads, kept in the cache, checked when read again."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.image_file import ImageFile, Images
from core.data.images import Unreadable, pixels_of
from core.data.listing import Record
from core.errors import DatasetInvalid
from core.files.atomic import atomic_path

BLOCK_BYTES = 16 << 20
PIECE_BYTES = 1 << 20  # in memory at once
CHUNK = 64  # at most so many records are handed to a thread at once
CHUNKS = 4  # a thread, at least: a few hundred photographs keep many cores busy to the end
_FORM = 1  # increased whenever a change of the code changes the pixels: part of every cache key

Read = Callable[[Any], bytes | np.ndarray]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """What the cache stores beside the pixels of n decoded images, in the order of `kept`."""

    kept: list[int]
    unreadable: list[tuple[int, str]]
    row_digests: str  # 16 hexadecimal digits a row, for finding equal images
    pixels_sha256: str


def decode(
    records: list[Record], read: Read, *, content: str, canvas_size: int, cache: Path, max_pixels: int, num_threads: int
) -> tuple[Rows, Path]:
    """Decode `records` into a cached file of rows 3 S S, or find it there. `content` identifies the source's bytes.

    Unreadable images are left out and listed. Raises DiskFull.
    """
    folder = cache / "decoded" / _key(records, content, canvas_size, max_pixels)
    rows = _cached(folder, canvas_size)
    if rows is not None:
        os.utime(folder)  # used: the cache removes the least recently used first
    else:
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            rows = _decode(records, read, temporary / "pixels", canvas_size, max_pixels, num_threads)
            (temporary / "rows.json").write_text(json.dumps(asdict(rows)))
    return rows, folder / "pixels"


def open_rows(path: Path, num_rows: int, canvas_size: int, *, resident: bool) -> Images:
    """uint8 N 3 S S, in memory or left in the file."""
    images = ImageFile(path, num_rows, canvas_size)
    return images[:] if resident else images


def _key(records: list[Record], content: str, canvas_size: int, max_pixels: int) -> str:
    digest = hashlib.sha256(f"{_FORM} {content} {canvas_size} {max_pixels}\n".encode())
    for record in records:
        digest.update(f"{record.name}\0{record.key}\n".encode())
    return digest.hexdigest()


def _cached(folder: Path, canvas_size: int) -> Rows | None:
    """The stored rows, if they are complete; a damaged entry is removed."""
    try:
        facts = json.loads((folder / "rows.json").read_text())
        rows = Rows(
            facts["kept"], [(i, why) for i, why in facts["unreadable"]], facts["row_digests"], facts["pixels_sha256"]
        )
        if rows.pixels_sha256 == pixels_sha256(folder / "pixels"):
            return rows
        raise ValueError("the pixels differ from their checksum")
    except FileNotFoundError:
        reason = "it is incomplete" if folder.exists() else ""
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error)
    if reason:
        _log.warning("the cached images in %s are decoded anew: %s", folder.name[:12], reason)
        _remove(folder)
    return None


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def pixels_sha256(path: Path) -> str:
    """sha256 over the sha256 of each 16 MiB block, so that cores can share the work."""
    starts = range(0, path.stat().st_size, BLOCK_BYTES)

    def digest(start: int) -> bytes:
        found = hashlib.sha256()
        with path.open("rb") as file:
            file.seek(start)
            for _ in range(BLOCK_BYTES // PIECE_BYTES):
                found.update(file.read(PIECE_BYTES))
        return found.digest()

    with ThreadPoolExecutor() as pool:
        return hashlib.sha256(b"".join(pool.map(digest, starts))).hexdigest()


def _decode(records: list[Record], read: Read, path: Path, canvas_size: int, max_pixels: int, num_threads: int) -> Rows:
    row_bytes = 3 * canvas_size * canvas_size
    with path.open("wb") as file:
        # Claims the space now: writing to a map on a full disk would end the process by SIGBUS.
        os.posix_fallocate(file.fileno(), 0, max(1, row_bytes * len(records)))
    out = np.memmap(path, dtype=np.uint8, mode="r+", shape=(len(records), 3, canvas_size, canvas_size))
    digests = [""] * len(records)
    problems: dict[int, str] = {}

    def decode_one(index: int) -> None:
        try:
            out[index] = pixels_of(read(records[index].key), canvas_size, max_pixels)
            digests[index] = hashlib.blake2b(out[index].data, digest_size=8).hexdigest()
        except Unreadable as error:
            problems[index] = str(error)
        except DatasetInvalid as error:
            problems[index] = error.message

    chunk = min(CHUNK, max(1, len(records) // (CHUNKS * num_threads)))

    def decode_chunk(start: int) -> None:
        for index in range(start, min(start + chunk, len(records))):
            decode_one(index)

    with ThreadPoolExecutor(num_threads) as pool:
        for _ in pool.map(decode_chunk, range(0, len(records), chunk)):  # which raises what a thread raised
            pass
    kept = [index for index in range(len(records)) if index not in problems]
    for row, index in enumerate(kept):
        if row != index:
            out[row] = out[index]
    out.flush()
    os.truncate(path, row_bytes * len(kept))
    return Rows(kept, sorted(problems.items()), "".join(digests[index] for index in kept), pixels_sha256(path))
