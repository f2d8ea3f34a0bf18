"""The images of a tree by what tables call them: paths or names, with or without extension, also as Windows writes."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from unicodedata import normalize

from core.data.listing import SplitName
from core.errors import DatasetInvalid


class ImageIndex:
    """Finds the image that a cell means. A path counts before a name, and a name with its extension before one without.

    A name that several images have is the one in or below the table's folder, or in a folder of the table's split;
    where that leaves several, `find` raises DatasetInvalid.
    """

    def __init__(self, images: Iterable[str], splits: Mapping[str, SplitName]) -> None:
        """`splits`: folder -> the split that it holds."""
        images = tuple(images)
        self._splits = splits
        self._exact = frozenset(images)
        self._paths: dict[str, str] = {}
        self._names: dict[str, list[str]] = defaultdict(list)
        for path in images:
            self._paths[_key(path)] = path
            name = posixpath.basename(path)
            for key in dict.fromkeys((_key(name), _key(posixpath.splitext(name)[0]))):
                self._names[key].append(path)

    @property
    def is_empty(self) -> bool:
        """Whether no image is known, so that the paths of a table can only be taken as they are written."""
        return not self._exact

    def has_stem(self, stem: str) -> bool:
        """Whether an image has this name without its extension, so that a text of that name is a note on it."""
        return _key(stem) in self._names

    def names(self, cell: Any, folder: str) -> bool:
        """Whether `cell` names an image, or several."""
        try:
            return self.find(cell, folder) is not None
        except DatasetInvalid:
            return True

    def split_of(self, image: str) -> SplitName | None:
        """The split of the outermost folder around an image that has one."""
        parts = image.split("/")[:-1]
        return next((s for n in range(len(parts)) if (s := self._splits.get("/".join(parts[: n + 1])))), None)

    def find(self, cell: Any, folder: str, split: SplitName | None = None) -> str | None:
        """The image that `cell` names in a table of `split` in `folder`; None where no image has that name."""
        if isinstance(cell, bool) or not isinstance(cell, str | int) or cell == "":
            return None
        plain = str(cell).replace("\\", "/")
        for text in (plain, plain.strip()):
            written = posixpath.normpath(posixpath.join(folder, text))
            if written in self._exact:
                return written
        text = _key(plain.strip().removeprefix("./"))
        for path in (posixpath.join(_key(folder), text), text):
            if path in self._paths:
                return self._paths[path]
        found = [path for path in self._names.get(posixpath.basename(text), []) if _ends_with(path, text)]
        return self._one(str(cell), found, folder, split)

    def _one(self, cell: str, found: list[str], folder: str, split: SplitName | None) -> str | None:
        if len(found) > 1 and split:
            found = [path for path in found if self.split_of(path) == split] or found
        if len(found) > 1 and folder:
            found = [path for path in found if path.startswith(f"{folder}/")] or found
        if len(found) > 1:
            raise DatasetInvalid(f"{cell!r} could be {found[0]!r} or {found[1]!r}")
        return found[0] if found else None


def _key(path: str) -> str:
    return normalize("NFC", path).casefold()


def _ends_with(path: str, text: str) -> bool:
    """Whether the last folders of `path` are those of `text`, whose name may lack the extension."""
    key = _key(path)
    return f"/{key}".endswith(f"/{text}") or f"/{posixpath.splitext(key)[0]}".endswith(f"/{text}")
