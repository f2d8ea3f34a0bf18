"""Folders where a class would be, and no image that can be read: an empty class, or no class at all."""

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable

from core.data.file_kinds import extension, listed
from core.data.layout.siblings import SIDE_WORDS
from core.data.litter import is_hidden
from core.data.split_names import split_word, words_of
from core.data.split_rules import SplitRules
from core.data.tree import Tree

# Pictures in formats that are not read: a folder of these is a class that lacks its images.
PICTURES = frozenset(
    {
        ".heic", ".heif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".raw", ".dcm",
        ".nii", ".exr", ".hdr", ".dds", ".tga", ".jp2", ".j2k", ".fits", ".psd", ".svg",
        ".eps", ".ico", ".npy", ".mat", ".zip", ".rar", ".7z", ".tar", ".gz", ".mp4", ".avi", ".mov",
    }
)  # fmt: skip


def without_images(
    tree: Tree, parents: set[str], filled: Iterable[str], known: Iterable[str], rules: SplitRules
) -> tuple[dict[str, str], list[str]]:
    """Empty classes -> what is there instead, and folders without images that are no classes.

    `parents` are the folders whose folders are classes, `filled` the classes that have images, `known` the paths of
    folders that are explained already. A folder of texts is no class; an empty one is, unless its name tells otherwise.
    """
    taken, explained = set(filled), tuple(known)
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for path in tree.paths:
        for folder in _class_folders(path, parents):
            kinds[folder][extension(path) or "no extension"] += 1
    for folder in tree.folders:
        if posixpath.dirname(folder) in parents:
            kinds.setdefault(folder, Counter())
    empty: dict[str, str] = {}
    others: list[str] = []
    for folder, files in sorted(kinds.items()):
        name = posixpath.basename(folder)
        if name in taken or is_hidden(folder) or folder in explained or rules.match(folder) is not None:
            continue
        if files.keys() & PICTURES or not (files or _is_no_class(name)):
            empty[name] = f"found {listed(files)}" if files else "the folder is empty"
        elif files:
            others.append(folder)
    return empty, others


def _class_folders(path: str, parents: set[str]) -> list[str]:
    """The folders around a file that lie directly in one of `parents`."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts)) if "/".join(parts[:n]) in parents]


def _is_no_class(name: str) -> bool:
    word = split_word(name)
    return bool(set(words_of(name)) & SIDE_WORDS) or (word is not None and word.is_plain)
