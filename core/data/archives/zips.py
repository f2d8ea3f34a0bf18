"""Zip files as a Tree. A member whose header promises fewer bytes than it has is damaged, and never read beyond."""

import io
import stat
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from core.data.archives.checks import check_distinct, check_name, check_sizes
from core.data.archives.zip_names import member_names
from core.data.budget import Budget
from core.data.litter import is_litter
from core.data.tree import READ_BYTES, file_sha256
from core.errors import DatasetInvalid

_END_OF_DIRECTORY = b"PK\5\6"
_ZIP64_LOCATOR = b"PK\6\7"
_ZIP64_RECORD_BYTES = 56
_ENTRY = b"PK\1\2"
# bzip2 and LZMA give gigabytes for a few kilobytes in one step, which the library takes whole into memory.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_FOREIGN_METHODS = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd",
}  # fmt: skip
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class ZipTree:
    """A zip file."""

    def __init__(self, path: Path, *, budget: Budget) -> None:
        self.path, self.budget = path, budget
        self.where = path.name
        _take_entries(path, budget)
        try:
            self._zip = zipfile.ZipFile(path)
        except (*_DAMAGED, UnicodeDecodeError) as error:
            raise DatasetInvalid(f"{path.name!r} is no whole zip file (truncated?): {error}") from None
        self._members = self._accept(self._zip.infolist())
        self.paths = tuple(sorted(path for path in self._members if not is_litter(path)))
        folders = [name.rstrip("/") for name in self._names if name.endswith("/")]
        self.folders = tuple(name for name in folders if not is_litter(name))
        self.num_litter = len(self._names) - len(self.paths) - len(self.folders)

    def _accept(self, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        archive_bytes = self.path.stat().st_size
        for info in infos:
            check_name(info.orig_filename)
            check_zip_kind(info, archive_bytes)
        self._names = member_names(infos, self.where)
        for name in self._names:
            check_name(name)
        check_distinct(self._names)
        check_sizes(sum(info.file_size for info in infos), archive_bytes, self.budget.policy)
        return {name: info for name, info in zip(self._names, infos, strict=True) if not name.endswith("/")}

    def read(self, path: str, most: int | None = None) -> bytes:
        """The content of a member; raises DatasetInvalid if it is absent, damaged, or larger than `most` bytes."""
        info = self._members.get(path)
        if info is None:
            raise DatasetInvalid(f"{path!r} is not in {self.where!r}")
        if most is not None and info.file_size > most:
            raise DatasetInvalid(f"{path!r} is larger than {most} bytes")
        try:
            data = self._zip.read(info)
        except _DAMAGED as error:
            raise DatasetInvalid(f"{path!r} in {self.where!r} is damaged: {error or type(error).__name__}") from None
        if len(data) != info.file_size:
            raise DatasetInvalid(
                f"{path!r} in {self.where!r} has {len(data)} bytes where its header says {info.file_size}"
            )
        return data

    def head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a member; raises DatasetInvalid as `read` does."""
        if path not in self._members:
            raise DatasetInvalid(f"{path!r} is not in {self.where!r}")
        try:
            with self._zip.open(self._members[path]) as file:
                return file.read(size)
        except _DAMAGED as error:
            raise DatasetInvalid(f"{path!r} in {self.where!r} is damaged: {error or type(error).__name__}") from None

    def open(self, path: str) -> BinaryIO:
        """The member as a seekable file, which is in memory; it is taken from the budget."""
        if path in self._members:
            self.budget.take_bytes(self._members[path].file_size, path)
        return io.BytesIO(self.read(path))

    def neighbours(self) -> tuple[str, ...]:
        """None: an archive has no files beside its members."""
        return ()

    def identity(self) -> str:
        """The sha256 of the archive."""
        return file_sha256(self.path)


def check_zip_kind(info: zipfile.ZipInfo, archive_bytes: int) -> None:
    """Raise DatasetInvalid for a member that is a link, a device, encrypted, packed by a method that is not read, or
    larger than the archive: the library takes as much memory as its header says before it reads."""
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        raise DatasetInvalid(f"the archive's member {info.filename!r} is a link")
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DatasetInvalid(f"the archive's member {info.filename!r} is a device or pipe")
    if info.compress_size > archive_bytes:
        raise DatasetInvalid(f"the archive's member {info.filename!r} reaches beyond the archive's end: truncated?")
    if info.flag_bits & 1:
        raise DatasetInvalid(f"the archive's member {info.filename!r} is encrypted")
    if info.compress_type not in _METHODS:
        name = _FOREIGN_METHODS.get(info.compress_type, "unknown")
        raise DatasetInvalid(
            f"the archive's member {info.filename!r} is packed by compression method {info.compress_type} ({name}), "
            "which is not supported",
            hint="zip again by the usual method, Deflate (Windows Explorer takes another above 2 GB)",
            pointer="/dataset/uri",
        )


def _take_entries(path: Path, budget: Budget) -> None:
    """Count the entries before the library builds an object for each: as the end record tells, and in the directory
    that it places, which may hold more than it tells.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557))  # 22 bytes of record and at most 65,535 of comment
        tail = file.read()
        at = tail.rfind(_END_OF_DIRECTORY)
        if at < 0 or len(tail) < at + 22:
            return
        told = int.from_bytes(tail[at + 10 : at + 12], "little")
        length = int.from_bytes(tail[at + 12 : at + 16], "little")
        end, locator = size - len(tail) + at, tail[at - 20 : at]
        if locator.startswith(_ZIP64_LOCATOR):
            file.seek(int.from_bytes(locator[8:16], "little") + 32)
            record = file.read(16)
            told, length = int.from_bytes(record[:8], "little"), int.from_bytes(record[8:], "little")
            end -= 20 + _ZIP64_RECORD_BYTES
        file.seek(max(0, end - length))
        budget.take_entries(max(told, _headers(file, end)), path.name)


def _headers(file: BinaryIO, end: int) -> int:
    """How often the signature of an entry stands between the file's position and `end`; never fewer than entries."""
    count, last = 0, b""
    while file.tell() < end and (block := file.read(min(READ_BYTES, end - file.tell()))):
        count += (last + block).count(_ENTRY)
        last = block[-len(_ENTRY) + 1 :]
    return count
