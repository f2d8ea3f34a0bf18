"""What a reader says about a dataset before any image is decoded: one record an image, and how to get its content."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

SplitName = Literal["train", "validation", "test"]

# Folder, file and column words that name a split, as found in ImageFolder trees, Hugging Face file names and manifests.
SPLIT_WORDS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}

UNNAMED = ""  # the class of images that have none


@dataclass(frozen=True, slots=True)
class Record:
    """One image: a name unique in the dataset, its class, the split that the dataset gives it, and its reader's key."""

    name: str
    label: str
    split: SplitName | None
    key: Any


@dataclass(frozen=True)
class Listing:
    """All images of a dataset, in storage order. `read(key)` gives an encoded image, or pixels H W 3 (or H W) as uint8.

    `read` may be called from several threads; calls in storage order are the fastest.
    """

    format: str
    records: list[Record]
    read: Callable[[Any], bytes | np.ndarray]
    flippable: bool = True
    image_size: tuple[int, int] | None = None
    """Height and width of every image, where the format alone tells."""
    empty_classes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
