"""CIFAR-10 and CIFAR-100 as their authors publish them, loose or in the official tar.gz: python pickles or binary rows.

A pickle is never unpickled (core.data.readers.cifar_pickle); strings of Python 2 are read as bytes, as the authors
advise.
"""

import posixpath
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from core.data import cifar_pickle
from core.data.listing import Listing, Record, SplitName
from core.data.passed_over import with_litter
from core.data.reading import Reader, Reading
from core.data.tree import Tree
from core.errors import DatasetInvalid

SIDE = 32
PIXELS = 3 * SIDE**2


_FILES: dict[str, SplitName] = {
    **{f"data_batch_{number}": "train" for number in range(1, 6)},
    "test_batch": "test",
    "train": "train",
    "test": "test",
}
# Labels before the pixels of a row: CIFAR-100 stores the coarse one first.
_CIFAR10, _CIFAR100 = 1, 2
MAX_BATCH_BYTES = 256 << 20  # CIFAR-100's training batch has 155 MB
MAX_NAMES_BYTES = 1 << 20
MAX_CLASSES = 1000  # of a file without class names


class _Arrays:
    """The images of the batches. A batch is loaded when its first image is read: if the decoded images are in the
    cache, only the listing is needed, and the arrays would use memory for nothing. Threads may share it.
    """

    def __init__(self, load: Callable[[str], np.ndarray]) -> None:
        """`load`: name -> uint8 N H W 3 or N H W."""
        self._load = load
        self._loaded: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    def image(self, key: tuple[str, int]) -> np.ndarray:
        """The image at (array, index)."""
        name, index = key
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
        return self._loaded[name][index]


def load_arrays(data: bytes, path: str) -> dict[bytes, Any]:
    """The dictionary in a CIFAR pickle. Raises DatasetInvalid for anything but arrays and plain values."""
    try:
        loaded = cifar_pickle.load(data)
    except DatasetInvalid as error:
        raise DatasetInvalid(
            f"{path!r}: {error.message}",
            hint="the binary form of the dataset (cifar-10-binary.tar.gz) is read as well",
            pointer="/dataset/uri",
        ) from None
    if not isinstance(loaded, dict):
        raise DatasetInvalid(f"{path!r} holds a {type(loaded).__name__}, not a dictionary", pointer="/dataset/uri")
    return {key.encode() if isinstance(key, str) else key: value for key, value in loaded.items()}


def python_files(tree: Tree) -> dict[str, SplitName]:
    """The batches of the python form in a tree: CIFAR-10's five and one, or CIFAR-100's two beside `meta`."""
    names = {posixpath.basename(path) for path in tree.paths}
    if not ({"data_batch_1", "test_batch"} & names or ("meta" in names and {"train", "test"} & names)):
        return {}
    return _matching(tree, "")


def binary_files(tree: Tree) -> dict[str, SplitName]:
    """The batches of the binary form in a tree."""
    return _matching(tree, ".bin")


def _chosen(files: dict[str, SplitName], reading: Reading) -> dict[str, SplitName]:
    """The batches with their splits, as dataset.splits changes them."""
    chosen: dict[str, SplitName] = {}
    for path, split in files.items():
        match = reading.rules.match(path)
        if match is None:
            chosen[path] = split
        elif match.target != "ignore":
            chosen[path] = match.target
    return chosen


def _matching(tree: Tree, extension: str) -> dict[str, SplitName]:
    found: dict[str, SplitName] = {}
    for path in tree.paths:
        name = posixpath.basename(path)
        stem = name.removesuffix(extension) if extension else name
        if name == stem + extension and stem in _FILES:
            found[path] = _FILES[stem]
    return found


def read_python(reading: Reading) -> Listing:
    """Batches with b"data" (N x 3072 uint8, channels first) and b"labels" or b"fine_labels"."""
    tree = reading.tree
    names = _python_names(tree)
    records: list[Record] = []
    for path, split in _chosen(python_files(tree), reading).items():
        labels = _python_batch(tree, path)[1]
        tree.budget.take_entries(len(labels), path)
        records += _records(path, split, labels, names)
    return _listing("cifar-python", tree, records, lambda path: _python_batch(tree, path)[0])


def _python_batch(tree: Tree, path: str) -> tuple[np.ndarray, list[int]]:
    batch = load_arrays(tree.read(path, MAX_BATCH_BYTES), path)
    pixels, labels = batch.get(b"data"), batch.get(b"fine_labels", batch.get(b"labels"))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
        raise DatasetInvalid(f"{path!r} holds no uint8 array of rows of {PIXELS} as b'data'", pointer="/dataset/uri")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise DatasetInvalid(f"{path!r} holds no label for each image", pointer="/dataset/uri")
    return _upright(pixels), labels


def read_binary(reading: Reading) -> Listing:
    """Rows of 1 (CIFAR-10) or 2 (CIFAR-100: coarse, fine) label bytes and 3072 pixels."""
    tree = reading.tree
    names, num_labels = _binary_names(tree)
    records: list[Record] = []
    for path, split in _chosen(binary_files(tree), reading).items():
        rows = _binary_rows(tree, path, num_labels)
        tree.budget.take_entries(len(rows), path)
        records += _records(path, split, rows[:, num_labels - 1].tolist(), names)
    return _listing(
        "cifar-binary", tree, records, lambda path: _upright(_binary_rows(tree, path, num_labels)[:, num_labels:])
    )


def _binary_rows(tree: Tree, path: str, num_labels: int) -> np.ndarray:
    data = np.frombuffer(tree.read(path, MAX_BATCH_BYTES), dtype=np.uint8)
    if not len(data) or len(data) % (PIXELS + num_labels):
        raise DatasetInvalid(
            f"{path!r} has {len(data)} bytes, which is no multiple of {PIXELS + num_labels}: truncated?",
            pointer="/dataset/uri",
        )
    return data.reshape(-1, PIXELS + num_labels)


def _upright(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)


def _records(path: str, split: SplitName, labels: list[int], names: list[str]) -> list[Record]:
    most = len(names) or MAX_CLASSES
    if not all(isinstance(label, int) and 0 <= label < most for label in labels):
        raise DatasetInvalid(f"{path!r} holds labels outside 0..{most - 1}", pointer="/dataset/uri")
    stem = posixpath.basename(path)
    return [
        Record(f"{stem}/{index:05}", names[label] if names else str(label), split, (path, index))
        for index, label in enumerate(labels)
    ]


def _listing(form: str, tree: Tree, records: list[Record], load: Callable[[str], np.ndarray]) -> Listing:
    if not records:
        raise DatasetInvalid(f"{tree.where!r} holds no CIFAR batch", pointer="/dataset/uri")
    passed = with_litter(Counter(), tree)
    return Listing(form, records, _Arrays(load).image, image_size=(SIDE, SIDE), passed_over=passed)


def _python_names(tree: Tree) -> list[str]:
    for path in tree.paths:
        if posixpath.basename(path) in ("batches.meta", "meta"):
            meta = load_arrays(tree.read(path, MAX_BATCH_BYTES), path)
            names = meta.get(b"fine_label_names", meta.get(b"label_names", []))
            if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
                raise DatasetInvalid(f"{path!r} holds no list of class names", pointer="/dataset/uri")
            return [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]
    return []


def _binary_names(tree: Tree) -> tuple[list[str], int]:
    """Class names, and how many label bytes start a row."""
    for path in tree.paths:
        name = posixpath.basename(path)
        if name in ("batches.meta.txt", "fine_label_names.txt"):
            names = tree.read(path, MAX_NAMES_BYTES).decode("utf-8", "replace").split()
            return names, _CIFAR100 if name.startswith("fine") else _CIFAR10
    stems = {posixpath.splitext(posixpath.basename(path))[0] for path in binary_files(tree)}
    return [], _CIFAR100 if stems & {"train", "test"} else _CIFAR10


READERS = (
    Reader("cifar-python", 10, lambda reading: bool(python_files(reading.tree)), read_python),
    Reader("cifar-binary", 20, lambda reading: bool(binary_files(reading.tree)), read_binary),
)
