"""Which reader reads a dataset: told by the content, or by the format that the spec names.

A reader is a module of this folder with READERS; its name in a spec is also one of core.spec.dataset.DatasetFormat.
"""

import importlib
import pkgutil

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
    return next((reader for reader in READERS.values() if reader.recognizes(reading)), None)


def read(reading: Reading) -> Listing:
    """The dataset's listing, by the reader that recognizes it, or the one that `spec.format` names."""
    tree = reading.tree
    reader = _reader(reading)
    if reader is None:
        raise DatasetInvalid(
            f"{tree.where!r} is no dataset that is understood: {class_folders.found(tree)}. Understood: "
            f"{', '.join(name for name in FORMATS if name != 'auto')}",
            pointer="/dataset/uri",
        )
    listing: Listing = reader.read(reading)
    reading.rules.check_used(tree.where, tree.paths)
    if not listing.records:
        raise DatasetInvalid(f"{tree.where!r} holds no image", pointer="/dataset/uri")
    return listing
