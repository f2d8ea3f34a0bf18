"""The listing of a dataset before any image is decoded: one record for each image, and a function that reads its
content.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from core.events import JobWarning, TableFacts

SplitName = Literal["train", "validation", "test"]

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
    empty_classes: Mapping[str, str] = field(default_factory=dict)
    """Classes without any image -> what is there instead."""
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """Reason -> files that are not used."""
    tables: tuple[TableFacts, ...] = ()
    """The label tables that were read."""
    warnings: tuple[JobWarning, ...] = ()
