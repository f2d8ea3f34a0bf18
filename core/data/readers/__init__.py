"""Which reader reads a dataset: told by the content, or by the format that the spec names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.data.archives import TarTree, ZipTree, inflate
from core.data.listing import Listing
from core.data.readers import builtin, cifar, class_folders, manifest, npz, webdataset
from core.data.tree import Folder, Tree
from core.errors import DatasetInvalid
from core.policy import Policy
from core.spec import FORMATS, DatasetSpec

__all__ = ["builtin", "open_tree", "read", "read_unlabelled"]


@dataclass(frozen=True)
class Reader:
    """One format: whether a tree looks like it, and how it is read."""

    recognizes: Callable[[Tree, DatasetSpec], bool]
    read: Callable[[Tree, DatasetSpec], Listing]


def _is_parquet(tree: Tree, spec: DatasetSpec) -> bool:
    return any(path.endswith(".parquet") for path in tree.paths)


def _read_parquet(tree: Tree, spec: DatasetSpec) -> Listing:
    from core.data.readers import parquet  # here, for pyarrow takes 30 MB

    return parquet.read(tree, spec)


# Order matters: the first that recognizes the content reads it. Class folders come last, since they ask for least.
READERS: dict[str, Reader] = {
    "cifar-python": Reader(lambda tree, spec: bool(cifar.python_files(tree)), cifar.read_python),
    "cifar-binary": Reader(lambda tree, spec: bool(cifar.binary_files(tree)), cifar.read_binary),
    "parquet": Reader(_is_parquet, _read_parquet),
    "webdataset": Reader(webdataset.recognizes, webdataset.read),
    "npz": Reader(npz.recognizes, npz.read),
    "csv": Reader(manifest.recognizes_csv, manifest.read_csv),
    "jsonl": Reader(manifest.recognizes_jsonl, manifest.read_jsonl),
    "folder": Reader(class_folders.recognizes, class_folders.read),
}
_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\3\4", b"PK\5\6")
_TAR_MAGIC_AT = 257
_SINGLE_FILES = (".npz", ".parquet", ".csv", ".jsonl")


def open_tree(path: Path, *, policy: Policy, cache: Path) -> Tree:
    """A folder, an archive (told by its first bytes, not its name) or a single file. Raises DatasetInvalid."""
    if path.is_dir():
        return Folder(path, policy=policy)
    if path.suffix.lower() in _SINGLE_FILES:
        return Folder(path.parent, policy=policy, only=path.name)
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(_ZIP):
        return ZipTree(path, policy=policy)
    if head.startswith(_GZIP):
        return TarTree(inflate(path, cache, policy=policy), policy=policy, where=path.name)
    if head[_TAR_MAGIC_AT:].startswith(b"ustar") or path.suffix.lower() == ".tar":
        return TarTree(path, policy=policy)
    raise DatasetInvalid(
        f"{path.name!r} is no folder, zip, tar, tar.gz, {', '.join(_SINGLE_FILES)} file; it starts with {head[:8]!r}",
        pointer="/dataset/uri",
    )


def read_unlabelled(tree: Tree, spec: DatasetSpec) -> Listing | None:
    """The images of a folder that names no classes; None for a dataset of any other kind."""
    is_folder = _reader(tree, spec) is READERS["folder"]
    return class_folders.read_flat(tree) if is_folder and class_folders.is_flat(tree) else None


def _reader(tree: Tree, spec: DatasetSpec) -> Reader | None:
    if spec.format != "auto":
        return READERS.get(spec.format)
    return next((reader for reader in READERS.values() if reader.recognizes(tree, spec)), None)


def read(tree: Tree, spec: DatasetSpec) -> Listing:
    """The dataset's listing, by the reader that recognizes it, or the one that `spec.format` names."""
    reader = _reader(tree, spec)
    if reader is None:
        raise DatasetInvalid(
            f"{tree.where!r} is no dataset that is understood: {class_folders.found(tree)}. Understood: "
            f"{', '.join(name for name in FORMATS if name != 'auto')}",
            pointer="/dataset/uri",
        )
    listing: Listing = reader.read(tree, spec)
    if not listing.records:
        raise DatasetInvalid(f"{tree.where!r} holds no image", pointer="/dataset/uri")
    return listing
