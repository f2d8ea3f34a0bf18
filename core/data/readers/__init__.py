"""Which reader reads a dataset: told by the content, or by the format that the spec names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from core.data.listing import Listing
from core.data.readers import builtin, cifar, class_folders, manifest, npz, webdataset
from core.data.reading import Reading
from core.errors import DatasetInvalid
from core.spec import FORMATS

__all__ = ["builtin", "read", "read_unlabelled"]


@dataclass(frozen=True)
class Reader:
    """One format: whether a dataset looks like it, and how it is read."""

    recognizes: Callable[[Reading], bool]
    read: Callable[[Reading], Listing]


def _is_parquet(reading: Reading) -> bool:
    return any(path.lower().endswith(".parquet") for path in reading.tree.paths)


def _read_parquet(reading: Reading) -> Listing:
    from core.data.readers import parquet  # here, for pyarrow takes 30 MB

    return parquet.read(reading)


# Order matters: the first that recognizes the content reads it. Tables and class folders come last, since they ask for
# least; between these two, core.data.tables.choice decides.
READERS: dict[str, Reader] = {
    "cifar-python": Reader(lambda reading: bool(cifar.python_files(reading.tree)), cifar.read_python),
    "cifar-binary": Reader(lambda reading: bool(cifar.binary_files(reading.tree)), cifar.read_binary),
    "parquet": Reader(_is_parquet, _read_parquet),
    "webdataset": Reader(webdataset.recognizes, webdataset.read),
    "npz": Reader(npz.recognizes, npz.read),
    "csv": Reader(partial(manifest.recognizes, form="csv"), manifest.read),
    "jsonl": Reader(partial(manifest.recognizes, form="jsonl"), manifest.read),
    "json": Reader(partial(manifest.recognizes, form="json"), manifest.read),
    "folder": Reader(class_folders.recognizes, class_folders.read),
}


def read_unlabelled(reading: Reading) -> Listing | None:
    """The images of a folder that names no classes; None for a dataset of any other kind."""
    if reading.spec.format not in ("auto", "folder") or not class_folders.is_flat(reading):
        return None
    # Tables beside the images may label them: then they are a dataset of that format.
    earlier = (name for name in READERS if name not in ("csv", "jsonl", "json", "folder"))
    if any(READERS[name].recognizes(reading) for name in earlier) or _has_table(reading):
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
