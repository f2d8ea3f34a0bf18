"""Tar files without compression as a Tree: members are found once, then read by their place in the file."""

import io
import os
import tarfile
import threading
import zlib
from pathlib import Path
from typing import BinaryIO

from core.data.archives.checks import check_distinct, check_name
from core.data.budget import Budget
from core.data.litter import is_litter
from core.data.tree import file_sha256
from core.errors import DatasetInvalid

_DAMAGED = (zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class TarTree:
    """A tar file without compression: members are found once, then read by their place."""

    def __init__(self, path: Path, *, budget: Budget, where: str | None = None) -> None:
        self.path, self.budget = path, budget
        self.where = where or path.name
        self._file = path.open("rb")
        self._lock = threading.Lock()
        self._places: dict[str, tuple[int, int]] = {}
        self._folders: list[str] = []
        self._index()
        self.paths = tuple(sorted(path for path in self._places if not is_litter(path)))
        self.folders = tuple(sorted(name for name in self._folders if not is_litter(name)))
        self.num_litter = len(self._places) + len(self._folders) - len(self.paths) - len(self.folders)

    def _index(self) -> None:
        size = os.fstat(self._file.fileno()).st_size
        names: list[str] = []
        last = None
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                for member in tar:
                    last = member.name
                    self.budget.take_entries(1, self.where)
                    names.append(self._add(member, size))
                    tar.members = []  # type: ignore[attr-defined]  # the library keeps every member otherwise
                self._file.seek(tar.offset)
        except (tarfile.TarError, *_DAMAGED) as error:
            at = f" after {last!r}" if last else ""
            raise DatasetInvalid(f"{self.where!r} is no whole tar file (truncated{at}?): {error}") from None
        # The library takes any block that is no header for the end; the true end is a block of zeros.
        if self._file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise DatasetInvalid(f"{self.where!r} ends without the mark of its end: truncated after {last!r}")
        check_distinct(names)

    def _add(self, member: tarfile.TarInfo, size: int) -> str:
        """Note a member; its name."""
        check_name(member.name)
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise DatasetInvalid(f"the archive's member {member.name!r} is a link, device, pipe or sparse file")
        if member.offset_data + member.size > size:
            raise DatasetInvalid(f"{self.where!r} is truncated: {member.name!r} reaches beyond its end")
        name = member.name.removeprefix("./")
        if member.isreg():
            self._places[name] = (member.offset_data, member.size)
        else:
            self._folders.append(name)
        return name

    def read(self, path: str, most: int | None = None) -> bytes:
        """The content of a member; raises DatasetInvalid if it is absent, damaged, or larger than `most` bytes."""
        length = self._span(path)[1]
        if most is not None and length > most:
            raise DatasetInvalid(f"{path!r} is larger than {most} bytes")
        return self.head(path, length)

    def head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a member; raises DatasetInvalid as `read` does."""
        start, length = self._span(path)
        with self._lock:
            self._file.seek(start)
            return self._file.read(min(length, size))

    def _span(self, path: str) -> tuple[int, int]:
        """Where a member starts in the file, and its bytes."""
        if path not in self._places:
            raise DatasetInvalid(f"{path!r} is not in {self.where!r}")
        return self._places[path]

    def open(self, path: str) -> BinaryIO:
        """The member as a seekable file, which is in memory; it is taken from the budget."""
        self.budget.take_bytes(self._span(path)[1], path)
        return io.BytesIO(self.read(path))

    def neighbours(self) -> tuple[str, ...]:
        """None: an archive has no files beside its members."""
        return ()

    def identity(self) -> str:
        """The sha256 of the archive."""
        return file_sha256(self.path)
