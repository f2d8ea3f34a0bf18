"""One folder a class: `<class>/**/<image>`, or `train|val|test/<class>/**/<image>`; one folder around all is fine."""

import posixpath
from collections import Counter

from core.data.images import EXTENSIONS, encoded_reader
from core.data.listing import SPLIT_WORDS, UNNAMED, Listing, Record
from core.data.tree import Tree
from core.errors import DatasetInvalid
from core.spec import DatasetSpec

# What macOS and Windows leave behind.
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})

Parts = tuple[str, ...]


def recognizes(tree: Tree, spec: DatasetSpec) -> bool:
    return any(is_image(path) for path in tree.paths)


def read(tree: Tree, spec: DatasetSpec) -> Listing:
    """Images are told by their extension; other files are passed over. A folder without images is an empty class."""
    images = {path: tuple(path.split("/")) for path in tree.paths if is_image(path)}
    if not images:
        raise DatasetInvalid(
            f"{tree.where!r} holds no image: {found(tree)}. Images end in {', '.join(sorted(EXTENSIONS))}",
            pointer="/dataset/uri",
        )
    depth = _wrapping(list(images.values()))
    loose = next((path for path, parts in images.items() if len(parts) < depth + 2), None)
    if loose is not None:
        raise DatasetInvalid(
            f"{loose!r} lies in no class folder; wanted: <class>/<image> or train/<class>/<image>",
            pointer="/dataset/uri",
        )
    has_splits = _has_splits(list(images.values()), depth)
    records = [_record(path, parts, depth, has_splits) for path, parts in images.items()]
    filled = {record.label for record in records}
    empty = _class_folders(tree, next(iter(images.values())), depth, has_splits) - filled
    return Listing("folder", records, encoded_reader(tree), empty_classes=tuple(sorted(empty)))


def is_flat(tree: Tree) -> bool:
    """Whether all images lie side by side in one folder, which then names no class."""
    return len({posixpath.dirname(path) for path in tree.paths if is_image(path)}) == 1


def read_flat(tree: Tree) -> Listing:
    """The images of a flat folder, all of the class UNNAMED."""
    records = [Record(path, UNNAMED, "train", path) for path in tree.paths if is_image(path)]
    return Listing("images", records, encoded_reader(tree))


def found(tree: Tree) -> str:
    """What a tree holds, in few words."""
    kinds = Counter(posixpath.splitext(path)[1].lower() or "no extension" for path in tree.paths)
    if not kinds:
        return "it is empty"
    return "found " + ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(5))


def is_image(path: str) -> bool:
    """Whether a path ends like an image and is neither hidden nor litter."""
    return posixpath.splitext(path)[1].lower() in EXTENSIONS and not _is_litter(path)


def _is_litter(path: str) -> bool:
    return any(part.startswith(".") or part in _LITTER for part in path.split("/"))


def _wrapping(images: list[Parts]) -> int:
    """How many folders surround everything, as long as a class folder is left in every path."""
    depth = 0
    while len({parts[depth] for parts in images}) == 1:
        if min(map(len, images)) < depth + 3 or _has_splits(images, depth):
            break
        depth += 1
    return depth


def _has_splits(images: list[Parts], depth: int) -> bool:
    """Whether the folders there are splits: all of them are split words, so a class may be called `train`."""
    return all(len(parts) >= depth + 3 and parts[depth].lower() in SPLIT_WORDS for parts in images)


def _class_folders(tree: Tree, image: Parts, depth: int, has_splits: bool) -> set[str]:
    """The names of all folders at the place of a class, with or without images."""
    at = depth + has_splits
    names = set()
    for path in tree.folders:
        parts = tuple(path.split("/"))
        inside = parts[:depth] == image[:depth] and len(parts) > at and not _is_litter(path)
        if inside and (not has_splits or parts[depth].lower() in SPLIT_WORDS):
            names.add(parts[at])
    return names


def _record(path: str, parts: Parts, depth: int, has_splits: bool) -> Record:
    if has_splits:
        return Record(path, parts[depth + 1], SPLIT_WORDS[parts[depth].lower()], path)
    return Record(path, parts[depth], None, path)
