"""Layouts of datasets as people have them, with what a right reading gives: classes, and images of each split."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

Files: TypeAlias = dict[str, bytes | str]
AB = ("ants", "bees")
_FORMATS = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".gif": "GIF", ".ppm": "PPM"}


@dataclass(frozen=True)
class Layout:
    """One dataset: a tree of files, or the content of one file."""

    files: Files | bytes
    classes: tuple[str, ...] | None
    """What a right reading finds, in order; None where no reading is certain, so that it must be refused."""
    num_trained: int | None
    """Images of the training and validation splits together; of all, where there is no test split of its own."""
    num_test: int | None
    may_refuse: bool
    """Whether a refusal in words is right as well."""
    spec: Mapping[str, Any] = field(default_factory=dict)


class Layouts(dict[str, Layout]):
    """Layouts by name."""

    def add(
        self,
        name: str,
        files: Files | bytes,
        classes: tuple[str, ...] | None = None,
        num_trained: int | None = None,
        num_test: int | None = None,
        may_refuse: bool = False,
        **spec: Any,
    ) -> None:
        """Add one; see Layout."""
        assert name not in self, name
        self[name] = Layout(files, classes, num_trained, num_test, may_refuse or classes is None, spec)


_made = 0


def image(form: str = "PNG") -> bytes:
    """An image of 8 x 8 that no other is equal to."""
    global _made
    _made += 1
    buffer = io.BytesIO()
    pixels = np.random.default_rng(_made).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def images(
    prefix: str, count: int, ext: str = ".jpg", start: int = 0, form: str | None = None, width: int = 3
) -> Files:
    """Numbered images."""
    kind = form or _FORMATS.get(ext, "JPEG")
    return {f"{prefix}{number:0{width}}{ext}": image(kind) for number in range(start, start + count)}


def tree(*parts: Files) -> Files:
    """All files together."""
    return {path: data for part in parts for path, data in part.items()}


def class_folders(
    prefix: str,
    count: int = 20,
    ext: str = ".jpg",
    names: tuple[str, ...] = AB,
    start: int = 0,
    form: str | None = None,
) -> Files:
    """One folder a class."""
    return tree(*(images(f"{prefix}{name}/{name[0]}_", count, ext, start, form) for name in names))


def three_splits(train: str = "train", validation: str = "valid", test: str = "test") -> Files:
    """Class folders of 40, 10 and 16 images."""
    return tree(
        class_folders(f"{train}/", 20),
        class_folders(f"{validation}/", 5, start=100),
        class_folders(f"{test}/", 8, start=200),
    )
