"""WebDataset shards: tar files whose members share a key: 0001.jpg beside 0001.cls, 0001.txt or 0001.json.

The label is the text of .cls or .txt, or the `label` field (spec.label_column) of .json; the split is told by the
shard's name, such as train-000000.tar.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

from core.data.archives import TarTree
from core.data.images import EXTENSIONS, encoded_reader
from core.data.listing import Listing, Record
from core.data.readers.split_words import split_of
from core.data.tree import Folder, Tree
from core.errors import DatasetInvalid
from core.spec import DatasetSpec

_LABELS = (".cls", ".txt", ".json")
_MAX_LABEL_BYTES = 1 << 20
_LOOKED_AT = 64  # members that tell a shard from an archive of class folders

Sample = Mapping[str, str]  # extension -> path


def recognizes(tree: Tree, spec: DatasetSpec) -> bool:
    if isinstance(tree, Folder):
        return any(path.endswith(".tar") for path in tree.paths)
    if not isinstance(tree, TarTree):
        return False
    some = tree.paths[:_LOOKED_AT]
    labelled = [sample for sample in _samples(some).values() if _image(sample) and _label_extension(sample)]
    # Class folders may keep a caption beside each image; shards without .cls have no folder a class.
    return any(".cls" in sample for sample in labelled) or (
        bool(labelled) and len({PurePosixPath(path).parent for path in some}) == 1
    )


def read(tree: Tree, spec: DatasetSpec) -> Listing:
    """All shards below a folder, or one shard."""
    shards = _shards(tree)
    if not shards:
        raise DatasetInvalid(f"{tree.where!r} holds no .tar shard", pointer="/dataset/uri")
    records = [record for name, shard in shards.items() for record in _records(name, shard, spec)]
    readers = {name: encoded_reader(shard) for name, shard in shards.items()}
    return Listing("webdataset", records, lambda key: readers[key[0]](key[1]))


def _shards(tree: Tree) -> dict[str, TarTree]:
    if isinstance(tree, TarTree):
        return {tree.where: tree}
    if not isinstance(tree, Folder):
        return {}
    paths = [path for path in tree.paths if path.endswith(".tar")]
    return {path: TarTree(tree.locate(path), policy=tree.policy, where=path) for path in paths}


def _records(name: str, shard: TarTree, spec: DatasetSpec) -> list[Record]:
    split = split_of(name)
    records = []
    for key, sample in _samples(shard.paths).items():
        image = _image(sample)
        if image is None:
            continue
        extension = _label_extension(sample)
        if extension is None:
            raise DatasetInvalid(f"{name}: {image!r} has no {', '.join(_LABELS)} beside it", pointer="/dataset/uri")
        label = _label(shard.read(sample[extension], _MAX_LABEL_BYTES), extension, sample[extension], spec)
        records.append(Record(f"{name}/{key}", label, split, (name, image)))
    return records


def _samples(paths: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Members by key: the path up to the first dot of its last part."""
    samples: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        folder, slash, name = path.rpartition("/")
        stem, dot, extension = name.partition(".")
        samples[folder + slash + stem][dot + extension.lower()] = path
    return samples


def _image(sample: Sample) -> str | None:
    return next((path for extension, path in sample.items() if extension in EXTENSIONS), None)


def _label_extension(sample: Sample) -> str | None:
    return next((extension for extension in _LABELS if extension in sample), None)


def _label(data: bytes, extension: str, path: str, spec: DatasetSpec) -> str:
    try:
        text = data.decode()
        value = json.loads(text)[spec.label_column] if extension == ".json" else text.strip()
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetInvalid(f"{path!r} holds no label ({spec.label_column!r} for .json): {error!r}") from None
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise DatasetInvalid(f"{path!r} holds the label {value!r}; wanted: a whole number or a text")
    return str(value)
