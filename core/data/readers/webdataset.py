"""WebDataset shards: tar files whose members share a key: 0001.jpg beside 0001.cls, 0001.txt or 0001.json.

The label is the text of .cls or .txt, or the `label` field (spec.label_column) of .json; captions in .txt beside labels
in .json are no labels. The split is told by the shard's name, such as flowers-train-000000.tar.
"""

import json
import posixpath
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from core.data.archives.tars import TarTree
from core.data.file_kinds import IMAGE_EXTENSIONS, extension
from core.data.images import encoded_reader
from core.data.labels import column_texts, label_text
from core.data.listing import Listing, Record
from core.data.passed_over import IGNORED_FILES, files_warning, with_litter
from core.data.reading import Reader, Reading
from core.data.shards import split_files
from core.data.tree import Folder, Tree
from core.errors import DatasetInvalid
from core.spec import DatasetSpec

_LABELS = (".cls", ".txt", ".json")
_MAX_LABEL_BYTES = 1 << 20
_LOOKED_AT = 64  # members that tell a shard from an archive of class folders
CAPTIONS = 0.5  # of the samples, from which so many different texts are no classes

Sample = Mapping[str, str]  # extension, which may have several parts, -> path


@dataclass
class _Shards:
    """What all shards hold together: image and label files of each sample, and what is not used."""

    samples: list[tuple[str, str, str, Sample]] = field(default_factory=list)  # shard, key, image, members
    passed_over: Counter[str] = field(default_factory=Counter)


def recognizes(reading: Reading) -> bool:
    """Whether a folder holds .tar files, or a tar holds samples."""
    tree = reading.tree
    if isinstance(tree, Folder):
        return any(_is_shard(path) for path in tree.paths)
    if not isinstance(tree, TarTree):
        return False
    some = tree.paths[:_LOOKED_AT]
    labelled = [sample for sample in _samples(some).values() if _images(sample) and _labels(sample)]
    # Class folders may keep a caption beside each image; shards without .cls have no folder a class.
    return any(_ending(sample, ".cls") for sample in labelled) or (
        bool(labelled) and len({PurePosixPath(path).parent for path in some}) == 1
    )


def read(reading: Reading) -> Listing:
    """All shards below a folder, or one shard."""
    shards = _shards(reading.tree)
    if not shards:
        raise DatasetInvalid(f"{reading.tree.where!r} holds no .tar shard", pointer="/dataset/uri")
    splits = split_files(list(shards), reading.rules)
    found = _collect({name: shards[name] for name in splits})
    kind = _label_kind(found, shards, reading.spec)
    labels = [
        _label(shards[name], _label_file(sample, kind, name, image), reading.spec)
        for name, _, image, sample in found.samples
    ]
    records = [
        Record(f"{name}/{key}", label, splits[name], (name, image))
        for (name, key, image, _), label in zip(found.samples, column_texts(labels, "the shards"), strict=True)
    ]
    found.passed_over += _beside(reading.tree) + Counter({IGNORED_FILES: len(shards) - len(splits)})
    readers = {name: encoded_reader(shard) for name, shard in shards.items()}
    return Listing(
        "webdataset",
        records,
        lambda key: readers[key[0]](key[1]),
        passed_over=with_litter(found.passed_over, reading.tree),
        warnings=files_warning(found.passed_over),
    )


def _is_shard(path: str) -> bool:
    return path.lower().endswith(".tar")


def _shards(tree: Tree) -> dict[str, TarTree]:
    if isinstance(tree, TarTree):
        return {tree.where: tree}
    if not isinstance(tree, Folder):
        return {}
    paths = [path for path in tree.paths if _is_shard(path)]
    return {path: TarTree(tree.locate(path), budget=tree.budget, where=path) for path in paths}


def _beside(tree: Tree) -> Counter[str]:
    """Files beside the shards, by extension."""
    paths = tree.paths if isinstance(tree, Folder) else ()
    return Counter(extension(path) or "no extension" for path in paths if not _is_shard(path))


def _collect(shards: Mapping[str, TarTree]) -> _Shards:
    """The samples that have an image. Raises DatasetInvalid for a sample of several images."""
    found = _Shards()
    for name, shard in shards.items():
        for key, sample in _samples(shard.paths).items():
            images = _images(sample)
            if len(images) > 1:
                raise DatasetInvalid(
                    f"{name}: the sample {key!r} has several images: {', '.join(map(posixpath.basename, images))}",
                    hint="write shards with one image a sample",
                    pointer="/dataset/uri",
                )
            if images:
                found.samples.append((name, key, images[0], sample))
            else:
                found.passed_over.update(f"{_last(end)} without an image" for end in sample)
    return found


def _samples(paths: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Members by key: the path up to the first dot of its last part."""
    samples: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        folder, slash, name = path.rpartition("/")
        stem, dot, end = name.partition(".")
        samples[folder + slash + stem][dot + end.lower()] = path
    return samples


def _last(end: str) -> str:
    """The last part of an extension: `.jpg` of `.input.jpg`."""
    return "." + end.rpartition(".")[2] if end else "no extension"


def _images(sample: Sample) -> list[str]:
    """The image of a sample; an extension of one part counts before `.input.jpg`."""
    plain = [path for end, path in sample.items() if end in IMAGE_EXTENSIONS]
    return plain[:1] or [path for end, path in sample.items() if _last(end) in IMAGE_EXTENSIONS]


def _ending(sample: Sample, kind: str) -> str | None:
    """The member of this kind; of several, that whose extension has one part."""
    if kind in sample:
        return sample[kind]
    found = [path for end, path in sample.items() if _last(end) == kind]
    return found[0] if len(found) == 1 else None


def _labels(sample: Sample) -> bool:
    return any(_ending(sample, kind) for kind in _LABELS)


def _label_kind(found: _Shards, shards: Mapping[str, TarTree], spec: DatasetSpec) -> tuple[str, ...]:
    """The kinds of label files in the order in which they count: captions in .txt count after labels in .json."""
    both = [
        (shards[name], text, note)
        for name, _, _, sample in found.samples
        if not _ending(sample, ".cls") and (text := _ending(sample, ".txt")) and (note := _ending(sample, ".json"))
    ]
    if not both:
        return _LABELS
    texts = {shard.read(text, _MAX_LABEL_BYTES) for shard, text, _ in both}
    if len(texts) <= max(2, CAPTIONS * len(both)):
        return _LABELS
    try:
        _label(both[0][0], both[0][2], spec)
    except DatasetInvalid:
        return _LABELS
    return (".cls", ".json", ".txt")


def _label_file(sample: Sample, kinds: tuple[str, ...], shard: str, image: str) -> str:
    path = next((path for kind in kinds if (path := _ending(sample, kind))), None)
    if path is None:
        raise DatasetInvalid(
            f"{shard}: {image!r} has no {', '.join(_LABELS)} beside it",
            hint='leave out shards without labels in dataset.splits, as in {"*test*": "ignore"}',
            pointer="/dataset/uri",
        )
    return path


def _label(shard: TarTree, path: str, spec: DatasetSpec) -> str:
    data = shard.read(path, _MAX_LABEL_BYTES)
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text)[spec.label_column] if path.lower().endswith(".json") else text.strip()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetInvalid(f"{path!r} holds no label ({spec.label_column!r} for .json): {error!r}") from None
    return label_text(value, repr(path))


READERS = (Reader("webdataset", 40, recognizes, read),)
