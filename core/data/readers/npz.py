"""NumPy archives: arrays x (or images) and y (or labels), or x_train, y_train, x_test, y_test as Keras writes them.

The words of an array's name tell what it is: `train_images`, `X_val` and `images_test` are images of a split.
"""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from core.data import warning_codes
from core.data.archives.zips import ZipTree
from core.data.labels import column_texts, label_text
from core.data.layout.siblings import Unclear
from core.data.listing import Listing, Record, SplitName
from core.data.npz_arrays import open_arrays
from core.data.passed_over import IGNORED_IMAGES, with_litter
from core.data.pixel_arrays import PixelArray, pixel_array
from core.data.reading import Reader, Reading
from core.data.split_names import split_word, words_of
from core.data.split_rules import SplitRules
from core.data.tree import Tree
from core.errors import DatasetInvalid, RetortError
from core.events import JobWarning

_IMAGES = frozenset({"x", "images", "image", "data", "imgs", "img"})
_LABELS = frozenset({"y", "labels", "label", "targets", "target"})
_NAMES = ("class_names", "classes", "label_names")
DARK = 100  # of 255: if no pixel is brighter, the values may have another range


@dataclass
class _Arrays:
    """The pairs of arrays: suffix (the rest of their names) -> images, labels; and names without a partner."""

    pairs: dict[str, tuple[str, str]] = field(default_factory=dict)
    alone: list[str] = field(default_factory=list)


def recognizes(reading: Reading) -> bool:
    """Whether the tree holds one .npz, or is one."""
    return _archive(reading.tree) is not None


def read(reading: Reading) -> Listing:
    """Images N H W, N H W 3 or N 3 H W, uint8 or float in [0, 1]; labels N integers or strings."""
    tree = reading.tree
    path = _archive(tree)
    if path is None:
        raise DatasetInvalid(f"{tree.where!r} holds no single .npz file")
    arrays = _load(reading, path)
    where = path or tree.where
    found = _paired(arrays)
    if not found.pairs:
        raise DatasetInvalid(
            f"{where!r} holds the arrays {', '.join(sorted(arrays)) or 'none'}; wanted: x and y, images and labels, "
            "or x_train, y_train, x_test, y_test"
        )
    _check_all_told(found.pairs, reading.rules)
    names = next((arrays[name] for name in _NAMES if name in arrays), None)
    images: dict[str, PixelArray] = {}
    records: list[Record] = []
    warnings: list[JobWarning] = []
    passed: Counter[str] = Counter()
    for suffix, (images_name, labels_name) in found.pairs.items():
        split, ignored = _split(suffix, images_name, reading.rules)
        pixels = arrays[images_name]
        if ignored:
            passed[IGNORED_IMAGES] += len(pixels)
            continue
        images[suffix] = pixel_array(pixels, where)
        tree.budget.take_entries(len(pixels), where)
        warnings += _range_warnings(images[suffix], images_name)
        records += _records(suffix, images[suffix], arrays[labels_name], names, split, where)
    warnings += [_alone(name, arrays[name]) for name in found.alone]
    passed.update({f"array {name!r}": 1 for name in found.alone})
    return Listing(
        "npz",
        records,
        lambda key: images[key[0]].image(key[1]),
        passed_over=with_litter(passed, tree),
        warnings=tuple(warnings),
    )


def _archive(tree: Tree) -> str | None:
    """The path of the one .npz in a tree; empty where the tree itself is one, whatever its name."""
    found = [path for path in tree.paths if path.lower().endswith(".npz")]
    if len(found) == 1:
        return found[0]
    is_npz = isinstance(tree, ZipTree) and bool(tree.paths) and all(path.endswith(".npy") for path in tree.paths)
    return "" if is_npz else None


def _load(reading: Reading, path: str) -> dict[str, np.ndarray]:
    tree = reading.tree
    try:
        whole = tree.path if not path and isinstance(tree, ZipTree) else None
        with whole.open("rb") if whole else tree.open(path) as file:
            identity = hashlib.sha256(f"{tree.identity()} {path}".encode()).hexdigest()
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            return open_arrays(file, size, reading.cache, identity, tree.budget)
    except (RetortError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise DatasetInvalid(f"{path or tree.where!r} cannot be read as npz (without pickles): {error}") from None


def _paired(arrays: dict[str, np.ndarray]) -> _Arrays:
    """Images and labels whose names differ by the word for these alone."""
    images, labels = _by_suffix(arrays, _IMAGES), _by_suffix(arrays, _LABELS)
    pairs = {suffix: (name, labels[suffix]) for suffix, name in images.items() if suffix in labels}
    used = {name for pair in pairs.values() for name in pair}
    known = {*images.values(), *labels.values()}
    return _Arrays(pairs, [name for name in arrays if name in known and name not in used])


def _by_suffix(arrays: dict[str, np.ndarray], kinds: frozenset[str]) -> dict[str, str]:
    """The rest of a name -> the name, for names with one of the words; the first of several counts."""
    found: dict[str, str] = {}
    for name in arrays:
        words = words_of(name)
        if name in _NAMES or len(set(words) & kinds) != 1:
            continue
        suffix = "_".join(word for word in words if word not in kinds)
        if suffix in found:
            raise Unclear(
                f"both the array {found[suffix]!r} and {name!r} could be meant", hint="store one of them in the npz"
            )
        found[suffix] = name
    return found


def _split(suffix: str, images_name: str, rules: SplitRules) -> tuple[SplitName | None, bool]:
    """The split of a pair, and whether dataset.splits ignores it."""
    match = rules.match(images_name)
    if match is not None:
        return (None, True) if match.target == "ignore" else (match.target, False)
    word = split_word(suffix) if rules.reads_names else None
    return (word.split if word is not None else None), False


def _check_all_told(pairs: dict[str, tuple[str, str]], rules: SplitRules) -> None:
    """Raise Unclear where some pairs are a split by their names and some are not."""
    splits = {suffix: _split(suffix, name, rules) for suffix, (name, _) in pairs.items()}
    told = [suffix for suffix, (split, _) in splits.items() if split is not None]
    odd = [suffix for suffix, (split, ignored) in splits.items() if split is None and not ignored]
    if told and odd:
        names = ", ".join(repr(pairs[suffix][0]) for suffix in odd)
        raise Unclear(f"the arrays {names} are of no split, beside {', '.join(repr(pairs[s][0]) for s in told)}")


def _alone(name: str, array: np.ndarray) -> JobWarning:
    return JobWarning(
        code=warning_codes.UNLABELLED_LEFT_OUT,
        message=f"left out: the array {name!r} of {len(array) if array.ndim else 1} has no partner of the same name "
        "(images x_..., labels y_...)",
        count=len(array) if array.ndim else 1,
    )


def _range_warnings(images: PixelArray, name: str) -> list[JobWarning]:
    if images.is_black_and_white:
        message = f"the pixels of {name!r} are only 0 and 1; they were read as black and white"
        return [JobWarning(code=warning_codes.PIXELS_SCALED, message=message, count=len(images))]
    if images.brightest <= DARK:
        message = f"no pixel of {name!r} is brighter than {images.brightest} of 255"
        hint = "if the values have another range, store them as 0 to 255"
        return [JobWarning(code=warning_codes.PIXELS_DARK, message=message, hint=hint, count=len(images))]
    return []


def _records(
    suffix: str, images: PixelArray, labels: np.ndarray, names: np.ndarray | None, split: SplitName | None, path: str
) -> list[Record]:
    classes = _classes(labels, len(images), names, path)
    width = len(str(len(images)))
    return [
        Record(f"{suffix or 'image'}/{index:0{width}}", label, split, (suffix, index))
        for index, label in enumerate(classes)
    ]


def _classes(labels: np.ndarray, num_images: int, names: np.ndarray | None, path: str) -> list[str]:
    """The class of each image, from integers, whole floats, texts, or rows of one-hot numbers."""
    if labels.ndim == 2 and labels.shape[0] == num_images and labels.shape[1] > 1:
        labels = _from_one_hot(labels, path)
    labels = labels.reshape(-1)
    if len(labels) != num_images:
        raise DatasetInvalid(f"{path!r} holds {num_images} images and {len(labels)} labels")
    if labels.dtype.kind not in "iubUf":
        raise DatasetInvalid(f"{path!r} holds labels of type {labels.dtype}; wanted: integers or strings")
    if names is not None and labels.dtype.kind in "iu":
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
            raise DatasetInvalid(f"{path!r} holds labels {labels.min()}..{labels.max()} for {len(names)} class names")
        labels = names[labels]
    texts = [label_text(label, path) for label in labels.tolist()]
    return column_texts(texts, repr(path)) if labels.dtype.kind == "U" else texts


def _from_one_hot(labels: np.ndarray, path: str) -> np.ndarray:
    """N class numbers from N rows of K zeros and a one. Raises DatasetInvalid for rows of several classes."""
    is_number = labels.dtype.kind in "iubf"
    if not is_number or not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
        raise DatasetInvalid(
            f"{path!r} holds labels of shape {labels.shape}, which are not one-hot: each row must have a single 1",
            hint="store one class number an image, as labels.argmax(axis=1) gives",
        )
    return labels.argmax(axis=1)


READERS = (Reader("npz", 50, recognizes, read),)
