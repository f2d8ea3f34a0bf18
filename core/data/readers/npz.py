"""NumPy archives: arrays x (or images) and y (or labels), or x_train, y_train, x_test, y_test as Keras writes them."""

import os
import zipfile
from typing import Any

import numpy as np

from core.data.archives import check_sizes
from core.data.listing import SPLIT_WORDS, Listing, Record
from core.data.tree import Tree
from core.errors import DatasetInvalid
from core.spec import DatasetSpec

_IMAGES = ("x", "images", "image", "data")
_LABELS = ("y", "labels", "label", "targets")
_NAMES = ("class_names", "classes", "label_names")


def recognizes(tree: Tree, spec: DatasetSpec) -> bool:
    return _archive(tree) is not None


def read(tree: Tree, spec: DatasetSpec) -> Listing:
    """Images N H W, N H W 3 or N 3 H W, uint8 or float in [0, 1]; labels N integers or strings."""
    path = _archive(tree)
    if path is None:
        raise DatasetInvalid(f"{tree.where!r} holds no single .npz file")
    arrays = _load(tree, path)
    pairs = list(_pairs(arrays))
    if not pairs:
        raise DatasetInvalid(
            f"{path!r} holds the arrays {', '.join(sorted(arrays)) or 'none'}; wanted: x and y, images and labels, "
            "or x_train, y_train, x_test, y_test"
        )
    names = next((arrays[name] for name in _NAMES if name in arrays), None)
    images: dict[str, np.ndarray] = {}
    records: list[Record] = []
    for suffix, pixels, labels in pairs:
        images[suffix] = _images(pixels, path)
        records += _records(suffix, images[suffix], labels, names, path)
    return Listing("npz", records, lambda key: images[key[0]][key[1]])


def _archive(tree: Tree) -> str | None:
    found = [path for path in tree.paths if path.lower().endswith(".npz")]
    return found[0] if len(found) == 1 else None


def _load(tree: Tree, path: str) -> dict[str, np.ndarray]:
    try:
        file = tree.open(path)
        with zipfile.ZipFile(file) as members:
            declared = sum(info.file_size for info in members.infolist())
        check_sizes(declared, file.seek(0, os.SEEK_END), tree.policy)
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except DatasetInvalid:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise DatasetInvalid(f"{path!r} cannot be read as npz (without pickles): {error}") from None


def _pairs(arrays: dict[str, np.ndarray]) -> Any:
    """(suffix, images, labels) for each pair of arrays whose names match; the suffix names the split, or is empty."""
    for images_name in _IMAGES:
        for name in arrays:
            stem, _, suffix = name.partition("_")
            if stem == images_name and (not suffix or suffix in SPLIT_WORDS):
                for labels_name in _LABELS:
                    partner = f"{labels_name}_{suffix}" if suffix else labels_name
                    if partner in arrays:
                        yield suffix, arrays[name], arrays[partner]


def _images(pixels: np.ndarray, path: str) -> np.ndarray:
    if pixels.ndim == 4 and pixels.shape[-1] not in (1, 3) and pixels.shape[1] in (1, 3):
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[-1] == 3)) or 0 in pixels.shape:
        raise DatasetInvalid(f"{path!r} holds images of shape {pixels.shape}; wanted: N H W, N H W 3 or N 3 H W")
    if pixels.dtype == np.uint8:
        return pixels
    if (
        np.issubdtype(pixels.dtype, np.floating)
        and np.isfinite(pixels).all()
        and 0 <= pixels.min() <= pixels.max() <= 1
    ):
        return (pixels * 255).round().astype(np.uint8)
    if np.issubdtype(pixels.dtype, np.integer) and 0 <= pixels.min() <= pixels.max() <= 255:
        return pixels.astype(np.uint8)
    raise DatasetInvalid(f"{path!r} holds {pixels.dtype} images out of range; wanted: uint8, or floats in [0, 1]")


def _records(suffix: str, images: np.ndarray, labels: np.ndarray, names: np.ndarray | None, path: str) -> list[Record]:
    labels = labels.reshape(-1)
    if len(labels) != len(images):
        raise DatasetInvalid(f"{path!r} holds {len(images)} images and {len(labels)} labels")
    if labels.dtype.kind not in "iubU":
        raise DatasetInvalid(f"{path!r} holds labels of type {labels.dtype}; wanted: integers or strings")
    if names is not None and labels.dtype.kind in "iu":
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
            raise DatasetInvalid(f"{path!r} holds labels {labels.min()}..{labels.max()} for {len(names)} class names")
        labels = names[labels]
    split = SPLIT_WORDS.get(suffix)
    width = len(str(len(images)))
    return [
        Record(f"{suffix or 'image'}/{index:0{width}}", str(label), split, (suffix, index))
        for index, label in enumerate(labels.tolist())
    ]
