"""Chooses the reader of a dataset: by its content, or by the format in the spec.

A reader is a module of this folder with READERS; its name in a spec is also one of core.spec.dataset.DatasetFormat.
"""

import importlib
import pkgutil

from core.data.archives.tars import TarTree
from core.data.layout.siblings import Unclear
from core.data.listing import Listing
from core.data.readers import class_folders
from core.data.reading import Reader, Reading
from core.errors import DatasetInvalid
from core.spec import FORMATS


def _found() -> dict[str, Reader]:
    """The readers of all modules of this folder by name, in the order in which they are asked."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    readers = [reader for module in modules for reader in getattr(module, "READERS", ())]
    return {reader.name: reader for reader in sorted(readers, key=lambda reader: reader.precedence)}


READERS = _found()
_ONE_FILE = ("parquet", "webdataset", "npz")  # one file holds many images
_BY_FILES = ("csv", "jsonl", "json", "folder")  # which of these, core.data.tables.choice decides


def read_unlabelled(reading: Reading) -> Listing | None:
    """The images of a folder that names no classes; None for a dataset of any other kind."""
    if reading.spec.format not in ("auto", "folder") or not class_folders.is_flat(reading):
        return None
    # Tables beside the images may label them: then they are a dataset of that format.
    others = (reader for name, reader in READERS.items() if name not in _BY_FILES)
    if any(reader.recognizes(reading) for reader in others) or _has_table(reading):
        return None
    return class_folders.read_flat(reading)


def _has_table(reading: Reading) -> bool:
    try:
        return bool(reading.choice.used)
    except DatasetInvalid:  # neither tables nor folders give classes
        return False


def _reader(reading: Reading) -> Reader | None:
    if reading.spec.format != "auto":
        return READERS.get(reading.spec.format)
    found = next((reader for reader in READERS.values() if reader.recognizes(reading)), None)
    if found is not None and found.name in _ONE_FILE:
        _check_no_class_folders(reading, found)
    return found


def _check_no_class_folders(reading: Reading, reader: Reader) -> None:
    """Raise Unclear where files of a format that holds many images each lie beside class folders."""
    if isinstance(reading.tree, TarTree) or not reading.contents.images:
        return
    try:
        labels = {label for _, label, _ in reading.layout[0].placed}
    except Unclear:  # the images are no class folders
        return
    if len(labels) > 1:
        raise Unclear(
            f"{reading.tree.where!r} holds class folders ({', '.join(sorted(labels)[:3])}, ...) beside files of the "
            f"format {reader.name}",
            hint=f"say which is the dataset in dataset.format: folder, or {reader.name}",
        )


def _read(reading: Reading) -> Listing:
    tree = reading.tree
    reader = _reader(reading)
    if reader is None:
        archives = [
            path for path in tree.paths if path.lower().endswith((".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))
        ]
        raise DatasetInvalid(
            f"{tree.where!r} is no dataset that is understood: {class_folders.found(tree)}. Understood: "
            f"{', '.join(name for name in FORMATS if name != 'auto')}",
            hint=f"give the URI of an archive in it, such as {archives[0]!r}" if archives else "",
            pointer="/dataset/uri",
        )
    return reader.read(reading)


def read(reading: Reading) -> Listing:
    """The dataset's listing, by the reader that recognizes it, or the one that `spec.format` names."""
    tree = reading.tree
    try:
        listing = _read(reading)
    except Unclear:  # perhaps since a pattern that should decide matches nothing
        reading.rules.check_used(tree.where, tree.paths)
        raise
    reading.rules.check_used(tree.where, tree.paths)
    if not listing.records:
        raise DatasetInvalid(f"{tree.where!r} holds no image", pointer="/dataset/uri")
    return listing
