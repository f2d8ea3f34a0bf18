"""One folder a class: `<class>/**/<image>`, or `train|val|test/<class>/**/<image>`; one folder around all is fine."""

from collections import Counter
from pathlib import PurePosixPath

from core.data.images import EXTENSIONS
from core.data.listing import SPLIT_WORDS, Listing, Record
from core.data.tree import Tree
from core.errors import DatasetInvalid
from core.spec import DatasetSpec

# What macOS and Windows leave behind.
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})

Parts = tuple[str, ...]


def recognizes(tree: Tree, spec: DatasetSpec) -> bool:
    return any(_is_image(path) for path in tree.paths)


def read(tree: Tree, spec: DatasetSpec) -> Listing:
    """Images are told by their extension; other files are passed over. A folder without images is an empty class."""
    images = {path: PurePosixPath(path).parts for path in tree.paths if _is_image(path)}
    if not images:
        raise DatasetInvalid(
            f"{tree.where!r} holds no image: {found(tree)}. Images end in {', '.join(sorted(EXTENSIONS))}"
        )
    images = _unwrap(images)
    loose = next((path for path, parts in images.items() if len(parts) < 2), None)
    if loose is not None:
        raise DatasetInvalid(f"{loose!r} lies in no class folder; wanted: <class>/<image> or train/<class>/<image>")
    has_splits = _has_splits(images)
    records = [_record(path, parts, has_splits) for path, parts in images.items()]
    return Listing("folder", records, tree.read)


def found(tree: Tree) -> str:
    """What a tree holds, in few words."""
    kinds = Counter(PurePosixPath(path).suffix.lower() or "no extension" for path in tree.paths)
    if not kinds:
        return "it is empty"
    return "found " + ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(5))


def _is_image(path: str) -> bool:
    parts = PurePosixPath(path)
    hidden = any(part.startswith(".") or part in _LITTER for part in parts.parts)
    return not hidden and parts.suffix.lower() in EXTENSIONS


def _unwrap(images: dict[str, Parts]) -> dict[str, Parts]:
    """Drop folders that surround everything, as long as a class folder is left in every path."""
    while True:
        tops = {parts[0] for parts in images.values()}
        if len(tops) > 1 or min(map(len, images.values())) < 3 or _has_splits(images):
            return images
        images = {path: parts[1:] for path, parts in images.items()}


def _has_splits(images: dict[str, Parts]) -> bool:
    """Whether the top folders are splits: all of them are split words, so a class may be called `train`."""
    return all(parts[0].lower() in SPLIT_WORDS and len(parts) >= 3 for parts in images.values())


def _record(path: str, parts: Parts, has_splits: bool) -> Record:
    if has_splits:
        return Record(path, parts[1], SPLIT_WORDS[parts[0].lower()], path)
    return Record(path, parts[0], None, path)
