"""The tar inside a compressed tar, inflated once into the cache: members are then read by their place."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from core.data.archives.checks import check_sizes
from core.data.budget import Budget
from core.data.tree import READ_BYTES, file_sha256
from core.errors import DatasetInvalid
from core.files.atomic import atomic_path

# The header of an xz file says how much memory its reader needs, up to 4 GiB; `xz -9` takes 65 MiB.
MAX_XZ_BYTES = 256 << 20
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, OSError, ValueError)


def inflate(path: Path, cache: Path, *, budget: Budget) -> Path:
    """The tar inside a .tar.gz, .tar.bz2 or .tar.xz, inflated whole or not at all into the cache.

    Raises DatasetInvalid for decompression bombs and for what is damaged or truncated.
    """
    target = cache / "inflated" / f"{file_sha256(path)}.tar"
    if target.exists():
        os.utime(target)  # used: the cache removes the least recently used first
        return target
    with path.open("rb") as source:
        head = source.read(len(max(_FORMS, key=len)))
        blocks = next(read for magic, read in _FORMS.items() if head.startswith(magic))
        source.seek(0)
        with atomic_path(target) as temporary, temporary.open("wb") as out:
            _write(blocks(source), out, path, budget)
    return target


def _write(blocks: Iterator[bytes], out: BinaryIO, path: Path, budget: Budget) -> None:
    archive_bytes, written = path.stat().st_size, 0
    while True:
        try:
            block = next(blocks, b"")
        except _DAMAGED as error:
            raise DatasetInvalid(f"{path.name!r} is truncated or damaged: {error or type(error).__name__}") from None
        if not block:
            return
        written += len(block)
        check_sizes(written, archive_bytes, budget.policy)
        budget.check_seconds(path.name)
        out.write(block)


def _gzip_blocks(source: BinaryIO) -> Iterator[bytes]:
    with gzip.open(source) as file:
        while block := file.read(READ_BYTES):
            yield block


def _bzip2_blocks(source: BinaryIO) -> Iterator[bytes]:
    with bz2.open(source) as file:
        while block := file.read(READ_BYTES):
            yield block


def _xz_blocks(source: BinaryIO) -> Iterator[bytes]:
    """As `lzma.open` reads, which has no limit of memory; a file may hold several streams with zeros between."""
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_BYTES)
    data = b""
    while data := data or source.read(READ_BYTES):
        block = stream.decompress(data, READ_BYTES)
        data = b""
        if block:
            yield block
        while not stream.eof and not stream.needs_input and (block := stream.decompress(b"", READ_BYTES)):
            yield block
        if stream.eof and (data := _after(stream.unused_data, source)):
            stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_BYTES)
    if not stream.eof:
        raise EOFError("the stream ended before its end marker")


def _after(unused: bytes, source: BinaryIO) -> bytes:
    """What follows the zeros behind a stream; empty at the end of the file."""
    while not (unused := unused.lstrip(b"\0")) and (block := source.read(READ_BYTES)):
        unused = block
    return unused


_FORMS: dict[bytes, Callable[[BinaryIO], Iterator[bytes]]] = {
    b"\x1f\x8b": _gzip_blocks,
    b"BZh": _bzip2_blocks,
    b"\xfd7zXZ\0": _xz_blocks,
}
PACKED = tuple(_FORMS)
"""The first bytes of files that are inflated."""
