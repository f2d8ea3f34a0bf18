"""Datasets that come with the engine's own libraries, for demonstrations and tests: no network, no file."""

import numpy as np

from core.data.listing import Listing, Record
from core.errors import DatasetInvalid, unknown

NAMES = ("digits",)


def read(name: str) -> Listing:
    """`digits`: the 1,797 handwritten digits that scikit-learn carries, 8 x 8 pixels, ten classes."""
    if name not in NAMES:
        raise DatasetInvalid(unknown("built-in dataset", name, NAMES), pointer="/dataset/uri")
    from sklearn.datasets import load_digits

    digits = load_digits()
    # Grey levels run from 0 to 16.
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    records = [Record(f"digits/{index:04}", str(label), None, index) for index, label in enumerate(digits.target)]
    return Listing("builtin", records, lambda index: images[index], flippable=False)
