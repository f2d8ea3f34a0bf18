"""One hostile, broken or odd input: how it is made, and what must become of it."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

Make: TypeAlias = Callable[[Path], Path]
"""Writes the input into a folder; the path that is given to the reader."""
REFUSED = None
"""What is wanted of an input that must be refused by an error of core.errors."""


@dataclass(frozen=True)
class Entry:
    """An input by name. `wanted` is what the reader must find in it, or REFUSED; `spec` are fields of the dataset."""

    name: str
    make: Make
    wanted: Any = REFUSED
    spec: Mapping[str, Any] = field(default_factory=dict)


class Corpus:
    """Inputs of one kind, in the order in which they were added."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, name: str, make: Make, wanted: Any = REFUSED, **spec: Any) -> None:
        """Add an input; names are unique."""
        assert name not in {entry.name for entry in self.entries}, name
        self.entries.append(Entry(name, make, wanted, spec))

    def add_bytes(
        self, name: str, file_name: str, content: Callable[[], bytes], wanted: Any = REFUSED, **spec: Any
    ) -> None:
        """Add an input that is one file."""
        self.add(name, lambda folder: written(folder / file_name, content()), wanted, **spec)


def written(path: Path, content: bytes) -> Path:
    """The path, with that content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def png(seed: int = 0, side: int = 8) -> bytes:
    """A PNG of random pixels."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


PHOTOS = {
    f"{name}/{number}.png": png(100 * kind + number)
    for kind, name in enumerate(("ants", "bees"))
    for number in range(4)
}
BOTH = {"ants": 4, "bees": 4}
"""What a reader finds in PHOTOS: class -> images."""
