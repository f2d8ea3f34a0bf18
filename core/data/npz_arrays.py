"""The arrays of a NumPy archive, opened one by one after what their headers say was checked.

Small arrays are in memory, taken from the budget. Large ones are unpacked once into the cache and mapped from there, so
that a dataset larger than the memory is read image by image.
"""

import hashlib
import math
import os
import zipfile
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from core.data.archives.checks import check_sizes
from core.data.archives.zips import check_zip_kind
from core.data.budget import Budget
from core.data.tree import READ_BYTES
from core.errors import DatasetInvalid
from core.files.atomic import atomic_path

MAPPED_BYTES = 64 << 20  # from which an array is mapped
_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def open_arrays(file: BinaryIO, size: int, cache: Path, identity: str, budget: Budget) -> dict[str, np.ndarray]:
    """Name -> array of the archive in `file`, which has `size` bytes and whose content `identity` names.

    Raises DatasetInvalid for an array of Python objects, whose reading would run a pickle, for one whose header and
    size differ, and for decompression bombs; whatever zipfile, zlib and NumPy raise for a damaged file.
    """
    with zipfile.ZipFile(file) as members:
        infos = members.infolist()
        budget.take_entries(len(infos), "the arrays")
        for info in infos:
            check_zip_kind(info, size)
        check_sizes(sum(info.file_size for info in infos), size, budget.policy)
        return {
            info.filename.removesuffix(".npy"): _array(members, info, cache / "arrays" / identity, budget)
            for info in infos
            if info.filename.endswith(".npy")
        }


def _array(members: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, budget: Budget) -> np.ndarray:
    with members.open(info) as file:
        _check_header(file, info)
    if info.file_size <= MAPPED_BYTES:
        budget.take_bytes(info.file_size, info.filename)
        with members.open(info) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    name = hashlib.sha256(info.filename.encode("utf-8", "surrogatepass")).hexdigest()
    target = folder / f"{name}.npy"
    if target.exists():
        os.utime(target)  # used: the cache removes the least recently used first
    else:
        with atomic_path(target) as temporary, temporary.open("wb") as out, members.open(info) as file:
            while block := file.read(READ_BYTES):
                budget.check_seconds(info.filename)
                out.write(block)
    return np.load(target, mmap_mode="r", allow_pickle=False)


def _check_header(file: IO[bytes], info: zipfile.ZipInfo) -> None:
    """Raise DatasetInvalid unless the header promises as many bytes as the member holds."""
    version = np.lib.format.read_magic(file)
    read = _READ_HEADER.get(version)
    if read is None:
        raise DatasetInvalid(f"the array {info.filename!r} has the format version {version}; read are 1.0 and 2.0")
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise DatasetInvalid(
            f"the array {info.filename!r} holds Python objects, which only a pickle can bring back, and pickles are "
            "not read",
            hint="store images as uint8 and labels as integers or strings",
            pointer="/dataset/uri",
        )
    if math.prod(shape) * dtype.itemsize != info.file_size - file.tell() or min(shape, default=0) < 0:
        raise DatasetInvalid(
            f"the array {info.filename!r} has the shape {shape} of {dtype} by its header, and "
            f"{info.file_size - file.tell()} bytes",
            pointer="/dataset/uri",
        )
