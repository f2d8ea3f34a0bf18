"""One list of the images of a split."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core.data.listing import SplitName
from core.data.tables.image_index import ImageIndex
from core.errors import DatasetInvalid


@dataclass(frozen=True)
class SplitList:
    """The images that one file lists for one split; `word` is the split word in the file's name or key."""

    path: str
    split: SplitName
    word: str
    images: frozenset[str]
    missing: tuple[str, ...] = ()
    """Entries that name no image of the dataset."""


def looked_up(
    entries: Iterable[Any], path: str, split: SplitName, word: str, *, images: ImageIndex, folder: str
) -> SplitList:
    """The list of `entries` in the file `path`. Raises DatasetInvalid for an entry that could name two images."""
    found: set[str] = set()
    missing: list[str] = []
    for entry in entries:
        try:
            image = images.find(_relative(entry), folder, split)
        except DatasetInvalid as error:
            raise DatasetInvalid(f"in the list {path!r}, {error.message}") from None
        if image is None:
            missing.append(str(entry))
        else:
            found.add(image)
    return SplitList(path, split, word, frozenset(found), tuple(missing))


def names_image(entry: Any, images: ImageIndex, folder: str) -> bool:
    """Whether an entry of a file in `folder` names an image, or several."""
    return images.names(_relative(entry), folder)


def _relative(entry: Any) -> Any:
    """An entry without a leading slash: SUN397 writes `/a/abbey/x.jpg` for a path below its folder of images."""
    return entry.strip().lstrip("/") if isinstance(entry, str) else entry
