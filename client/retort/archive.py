"""A file or a folder as one sequence of bytes that can be read from any place: a folder becomes a tar, made on the fly.

The tar of a folder depends on the names and contents of its files alone: the same folder is the same upload.
"""

import bisect
import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK_BYTES = 512  # of a tar: headers and contents begin at multiples of it
READ_BYTES = 1 << 20


class Changed(ValueError):
    """A file was changed while it was read."""


@dataclass(frozen=True)
class Segment:
    """A part of the bytes: those of a file, or some that are held here."""

    start: int
    size: int
    content: bytes | Path

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from byte `offset` of this segment on. Raises Changed."""
        if isinstance(self.content, bytes):
            return self.content[offset : offset + size]
        wanted = min(size, self.size - offset)
        with self.content.open("rb") as file:
            if os.fstat(file.fileno()).st_size != self.size:
                raise Changed(f"{self.content} was changed while it was uploaded; upload it again")
            file.seek(offset)
            return file.read(wanted)


@dataclass
class Archive:
    """What is uploaded: its file name, and its bytes by place."""

    filename: str
    num_files: int
    segments: list[Segment] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.segments[-1].start + self.segments[-1].size if self.segments else 0

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on; fewer only at the end."""
        pieces, number = [], bisect.bisect_right(self.segments, offset, key=lambda segment: segment.start) - 1
        while size and number < len(self.segments):
            segment = self.segments[number]
            piece = segment.read(offset - segment.start, size)
            pieces.append(piece)
            offset, size, number = offset + len(piece), size - len(piece), number + 1
        return b"".join(pieces)

    def sha256(self) -> str:
        """Of all bytes, in hexadecimal digits."""
        digest = hashlib.sha256()
        for start in range(0, self.size, READ_BYTES):
            digest.update(self.read(start, READ_BYTES))
        return digest.hexdigest()

    def add(self, content: bytes | Path, size: int) -> None:
        """Append bytes, or those of a file."""
        if size:
            self.segments.append(Segment(self.size, size, content))


def pack(path: Path) -> Archive:
    """A file as it is, or a folder as a tar. Raises ValueError for what is neither, or is empty."""
    if path.is_file():
        archive = Archive(path.name, 1)
        archive.add(path, path.stat().st_size)
        if not archive.size:
            raise ValueError(f"{path} is empty")
        return archive
    if not path.is_dir():
        raise ValueError(f"there is no file or folder {path}")
    return _packed_folder(path)


def _packed_folder(folder: Path) -> Archive:
    names = sorted(_files(folder))
    if not names:
        raise ValueError(f"{folder} holds no files")
    archive = Archive(f"{folder.resolve().name or 'folder'}.tar", len(names))
    for name in names:
        size = (folder / name).stat().st_size
        header = tarfile.TarInfo(name)
        header.size, header.mode = size, 0o644
        made = header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        archive.add(made, len(made))
        archive.add(folder / name, size)
        archive.add(bytes(-size % BLOCK_BYTES), -size % BLOCK_BYTES)
    archive.add(bytes(2 * BLOCK_BYTES), 2 * BLOCK_BYTES)
    return archive


def _files(folder: Path) -> Iterator[str]:
    """The names of all files below a folder, with `/` between their parts; links are followed, hidden ones left out."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:  # a link leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(folder).as_posix()
