"""Datasets that are part of the engine's libraries, for trials and tests; they need no network and no file."""

import importlib.util
from pathlib import Path

import numpy as np

from core.data.listing import Listing, Record
from core.errors import DatasetInvalid, unknown
from core.spec.names import BUILTIN_DATASETS


def read(name: str) -> Listing:
    """`digits`: the 1,797 handwritten digits that scikit-learn carries, 8 x 8 pixels, ten classes."""
    if name not in BUILTIN_DATASETS:
        raise DatasetInvalid(unknown("built-in dataset", name, BUILTIN_DATASETS), pointer="/dataset/uri")
    rows = _digits()
    # Grey levels run from 0 to 16.
    images = np.rint(rows[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels = rows[:, 64].astype(int).tolist()
    records = [Record(f"digits/{index:04}", str(label), None, index) for index, label in enumerate(labels)]
    return Listing("builtin", records, lambda index: images[index], flippable=False)


def _digits() -> np.ndarray:
    """The table behind sklearn.datasets.load_digits, 1797 x 65: read directly, since importing scikit-learn takes
    seconds that every engine process would spend.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise DatasetInvalid("builtin:digits needs scikit-learn, which is not installed", pointer="/dataset/uri")
    return np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
