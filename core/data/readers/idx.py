"""IDX files as MNIST's authors publish them, packed by gzip or not: `train-images-idx3-ubyte` beside
`train-labels-idx1-ubyte`. Fashion-MNIST, KMNIST and EMNIST have the same form.

A file is two zero bytes, the type of its values (8: unsigned bytes), the number of its dimensions, each dimension as a
big-endian 32-bit integer, and the values (http://yann.lecun.com/exdb/mnist/).
"""

import math
import posixpath
import re
import zlib
from collections import Counter

import numpy as np

from core.data.file_kinds import extension
from core.data.listing import Listing, Record, SplitName
from core.data.passed_over import IGNORED_IMAGES, with_litter
from core.data.reading import Reader, Reading
from core.data.split_names import split_of_path
from core.data.tree import Tree
from core.errors import DatasetInvalid

_IMAGES = re.compile(r"^(.*)images[.-]idx3[.-]ubyte(\.gz)?$")
_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 8


def image_files(tree: Tree) -> list[str]:
    """Files of images by their names."""
    return [path for path in tree.paths if _IMAGES.match(posixpath.basename(path))]


def read(reading: Reading) -> Listing:
    """The images of all files of images, each with the file of labels beside it."""
    tree = reading.tree
    images: dict[str, np.ndarray] = {}
    records: list[Record] = []
    passed = Counter(extension(path) or "no extension" for path in tree.paths if "ubyte" not in path)
    for path in image_files(tree):
        match = reading.rules.match(path)
        pixels, labels = _values(tree, path, 3), _values(tree, _labels_of(tree, path), 1)
        if len(pixels) != len(labels) or not pixels.size:
            raise DatasetInvalid(f"{path!r} holds {len(pixels)} images, and its labels are {len(labels)}")
        if match is not None and match.target == "ignore":
            passed[IGNORED_IMAGES] += len(pixels)
            continue
        tree.budget.take_entries(len(pixels), path)
        split = match.target if match is not None and match.target != "ignore" else _split(path, reading)
        images[path] = pixels
        width = len(str(len(labels)))
        records += [
            Record(f"{path}#{index:0{width}}", str(label), split, (path, index))
            for index, label in enumerate(labels.tolist())
        ]
    return Listing(
        "idx", records, lambda key: images[key[0]][key[1]], flippable=False, passed_over=with_litter(passed, tree)
    )


def _split(path: str, reading: Reading) -> SplitName | None:
    """The split in a file's name; MNIST calls its test `t10k`."""
    if not reading.rules.reads_names:
        return None
    name = posixpath.basename(path)
    return "test" if name.startswith("t10k") else split_of_path(name.partition("images")[0])


def _labels_of(tree: Tree, path: str) -> str:
    folder, name = posixpath.split(path)
    wanted = posixpath.join(folder, name.replace("images", "labels").replace("idx3", "idx1"))
    found = next((one for one in (wanted, wanted.removesuffix(".gz"), f"{wanted}.gz") if one in tree.paths), None)
    if found is None:
        raise DatasetInvalid(f"beside {path!r} there is no {posixpath.basename(wanted)!r}", pointer="/dataset/uri")
    return found


def _values(tree: Tree, path: str, num_dimensions: int) -> np.ndarray:
    """The values of a file in their shape. Raises DatasetInvalid for other types, shapes and sizes than it tells."""
    data = _unpacked(tree, path)
    header = 4 + 4 * num_dimensions
    if data[:4] != bytes([0, 0, _UNSIGNED_BYTES, num_dimensions]) or len(data) < header:
        raise DatasetInvalid(
            f"{path!r} is no IDX file of unsigned bytes in {num_dimensions} dimensions: it starts with "
            f"{data[:4].hex(' ')}",
            pointer="/dataset/uri",
        )
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, header, 4))
    if math.prod(shape) != len(data) - header:
        raise DatasetInvalid(f"{path!r} tells the shape {shape} and has {len(data) - header} values: truncated?")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


def _unpacked(tree: Tree, path: str) -> bytes:
    most = tree.budget.bytes_left
    data = tree.read(path, most)
    if data.startswith(_GZIP):
        packed = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            data = packed.decompress(data, most)
        except zlib.error as error:
            raise DatasetInvalid(f"{path!r} is damaged: {error}", pointer="/dataset/uri") from None
        if not packed.eof:
            raise DatasetInvalid(
                f"{path!r} is truncated, or unpacks to more than the {most} bytes that are left for reading",
                hint="the operator's limit is max_reading_bytes",
                pointer="/dataset/uri",
            )
    tree.budget.take_bytes(len(data), path)
    return data


READERS = (Reader("idx", 25, lambda reading: bool(image_files(reading.tree)), read),)
