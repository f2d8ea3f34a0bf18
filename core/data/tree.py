"""A folder or an archive as one thing: paths below a root, and the bytes behind each. Every reader reads a Tree."""

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from core.data.budget import Budget
from core.data.litter import is_litter
from core.errors import DatasetInvalid

READ_BYTES = 1 << 20
MAX_DEPTH = 32


class Tree(Protocol):
    """Files and folders below one root, without litter. Paths are relative, with forward slashes, sorted."""

    where: str
    paths: tuple[str, ...]
    folders: tuple[str, ...]
    num_litter: int
    """Files and folders of operating systems and tools that are left out of `paths` and `folders`."""
    budget: Budget

    def read(self, path: str, most: int | None = None) -> bytes:
        """The whole file; raises DatasetInvalid where it is larger than `most` bytes, missing or damaged."""

    def head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a file, or all of a shorter one; raises DatasetInvalid as `read` does."""

    def open(self, path: str) -> BinaryIO:
        """The file, seekable."""

    def neighbours(self) -> tuple[str, ...]:
        """Of a single file that was given, the files in and below its folder; none for any other tree."""

    def identity(self) -> str:
        """A text that changes when the content may have changed."""


class Folder:
    """A folder on disk; with `only`, one file in it (a manifest may still reach its neighbours by `read`)."""

    def __init__(self, root: Path, *, budget: Budget, only: str | None = None) -> None:
        self.budget = budget
        self.where = root.name + (f"/{only}" if only else "")
        self._real_root = Path(os.path.realpath(root))
        self._roots = (self._real_root, *(Path(os.path.realpath(allowed)) for allowed in budget.policy.file_roots))
        self._only = only
        self._files: list[str] = [only] if only else []
        self._folders: list[str] = []
        self.num_litter = 0
        self._neighbours: tuple[str, ...] = ()
        if not only:
            self._visit(self._real_root, "", depth=0)
        self.paths, self.folders = tuple(sorted(self._files)), tuple(sorted(self._folders))

    def _visit(self, folder: Path, prefix: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise DatasetInvalid(f"{prefix.rstrip('/')!r} lies deeper than {MAX_DEPTH} folders (a link to its parent?)")
        with os.scandir(folder) as entries:
            for entry in entries:
                self.budget.take_entries(1, self.where)
                if is_litter(entry.name):
                    self.num_litter += 1
                    continue
                if entry.is_symlink():
                    self._check(Path(entry.path), prefix + entry.name)
                if entry.is_dir():
                    self._folders.append(prefix + entry.name)
                    self._visit(Path(entry.path), f"{prefix}{entry.name}/", depth + 1)
                elif entry.is_file():
                    self._files.append(prefix + entry.name)

    def _check(self, path: Path, name: str) -> None:
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(root) for root in self._roots):
            raise DatasetInvalid(f"{name!r} is a link that leads out of the folders that may be read")

    def locate(self, path: str) -> Path:
        """The path on disk; raises DatasetInvalid where it leads out of the folders that may be read."""
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or "\0" in path:
            raise DatasetInvalid(f"{path!r} leads out of {self.where!r}")
        located = self._real_root / parts
        self._check(located, path)
        return located

    def read(self, path: str, most: int | None = None) -> bytes:
        """The content of a file; raises DatasetInvalid if it is absent, unreadable, or larger than `most` bytes."""
        with self.open(path) as file:
            data = file.read(-1 if most is None else most + 1)
        if most is not None and len(data) > most:
            raise DatasetInvalid(f"{path!r} is larger than {most} bytes")
        return data

    def head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a file; raises DatasetInvalid as `read` does."""
        with self.open(path) as file:
            return file.read(size)

    def open(self, path: str) -> BinaryIO:
        """The file, opened for reading; raises DatasetInvalid if it is absent or outside the folder."""
        located = self.locate(path)
        try:
            if not located.is_file():
                raise DatasetInvalid(f"{path!r} is no file in {self.where!r}")
            return located.open("rb")
        except OSError as error:
            raise DatasetInvalid(f"{path!r} cannot be read: {error.strerror or error}") from None

    def neighbours(self) -> tuple[str, ...]:
        """The files in and below the folder of the one file that was given; none for a whole folder."""
        if self._only and not self._neighbours:
            try:
                self._neighbours = Folder(self._real_root, budget=Budget(self.budget.policy)).paths
            except DatasetInvalid:  # too many files, or links: the table's paths are then taken as they are written
                return ()
        return self._neighbours

    def identity(self) -> str:
        """Of a single file its content. Of a folder the names, sizes and times of change: reading all would cost as
        much as a cold disk takes, and no program can set a time of change (ctime) back."""
        if self._only and not self._neighbours:
            return file_sha256(self._real_root / self._only)
        digest = hashlib.sha256(file_sha256(self._real_root / self._only).encode() if self._only else b"")
        for path in self._neighbours or self.paths:
            facts = os.stat(self._real_root / path)
            digest.update(
                f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ctime_ns}\0{facts.st_ino}\n".encode(
                    errors="surrogateescape"
                )
            )
        return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
