"""A customer's images from URI to tensors: fetch, list, choose classes, split; then decode once."""

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field

import torch

from core.data import classes as class_choice
from core.data import readers, resident, uri
from core.data.augment import SMALL_INPUT
from core.data.class_names import unify
from core.data.headers import measure
from core.data.image_file import ImageFile, Images
from core.data.left_out import renamed_split, unreadable_warnings
from core.data.listing import UNNAMED, Listing, Record
from core.data.opening import open_tree
from core.data.readers import builtin
from core.data.reading import Reading
from core.data.split_checks import check_splits, overlap_warnings
from core.data.splits import SPLITS, Splits, split
from core.errors import DatasetInvalid
from core.events import DatasetFacts, JobWarning
from core.spec import DatasetSpec
from core.spec.uris.redaction import redacted
from core.statistics.paired import smallest_difference
from core.system.workspace import Workspace

MAX_NAMED = 20
# Random crops of small inputs need a margin, in the proportion that ImageNet training has.
MARGIN = 8 / 7


@dataclass(frozen=True)
class Split:
    """Decoded images of one split."""

    images: Images  # uint8 N 3 S S, S = canvas
    labels: torch.Tensor  # int64 N
    names: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """A dataset with all images decoded, in memory or in a file."""

    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    image_size: int
    canvas_size: int
    facts: DatasetFacts
    flippable: bool
    warnings: tuple[JobWarning, ...] = ()


@dataclass(frozen=True)
class Source:
    """A dataset that is read, with classes chosen and images split, before any image is decoded."""

    spec: DatasetSpec
    classes: tuple[str, ...]
    splits: Splits
    native_size: tuple[int, int]  # median height, width
    largest_side: int
    listing: Listing
    content: str = field(repr=False)  # identifies the source's bytes
    workspace: Workspace = field(repr=False)
    warnings: tuple[JobWarning, ...] = ()

    @property
    def format(self) -> str:
        """The name of the format that was read."""
        return self.listing.format

    @property
    def flippable(self) -> bool:
        """Whether a mirrored image keeps its class."""
        return self.listing.flippable

    @property
    def num_train(self) -> int:
        """Images of the training split."""
        return len(self.splits["train"])

    @property
    def num_validation(self) -> int:
        """Images of the validation split."""
        return len(self.splits["validation"])

    @property
    def num_test(self) -> int:
        """Images of the test split."""
        return len(self.splits["test"])

    def canvas_size(self, image_size: int) -> int:
        """The side of the square that images are decoded to: `image_size` for photographs, and where no file is larger
        (as far as headers were read), else with a margin, which random crops use and tests leave out.

        Tests of photographs see the whole square: that was measured to be worth up to two points of accuracy.
        """
        is_whole = image_size > SMALL_INPUT or self.largest_side <= image_size
        return image_size if is_whole else round(image_size * MARGIN)

    def decode(self, image_size: int) -> Dataset:
        """All images as uint8. Raises DatasetInvalid for unreadable images beyond `max_unreadable_fraction`, named."""
        canvas_size = self.canvas_size(image_size)
        order = [record for name in SPLITS for record in self.splits[name]]
        rows, path = resident.decode(
            order,
            lambda key: self.listing.read(key),
            content=self.content,
            canvas_size=canvas_size,
            cache=self.workspace.cache,
            max_pixels=self.workspace.policy.max_image_pixels,
            num_threads=self.workspace.policy.num_threads or len(os.sched_getaffinity(0)),
        )
        unreadable = [f"{order[index].name}: {why}" for index, why in rows.unreadable]
        self._check_readable(unreadable, len(order))
        kept = self._kept(order, rows.kept)
        resident_bytes = len(rows.kept) * 3 * canvas_size**2
        images = resident.open_rows(
            path, len(rows.kept), canvas_size, resident=resident_bytes <= self.workspace.policy.max_resident_bytes
        )
        parts = self._parts(kept, images)
        fingerprint = _fingerprint(rows.pixels_sha256, parts, self.classes)
        return Dataset(
            self.classes,
            **parts,
            image_size=image_size,
            canvas_size=canvas_size,
            facts=self._facts(kept, canvas_size, fingerprint, unreadable),
            flippable=self.flippable,
            warnings=(*self.warnings, *unreadable_warnings(unreadable), *overlap_warnings(kept, rows.row_digests)),
        )

    def _check_readable(self, unreadable: list[str], total: int) -> None:
        allowed = self.spec.max_unreadable_fraction
        if len(unreadable) > allowed * total:
            listed = "; ".join(unreadable[:MAX_NAMED])
            raise DatasetInvalid(
                f"{len(unreadable)} of {total} images cannot be read: {listed}",
                hint="mend or remove them, or raise dataset.max_unreadable_fraction",
                pointer="/dataset/max_unreadable_fraction",
            )

    def _kept(self, order: list[Record], rows: list[int]) -> Splits:
        """The splits without unreadable images; each class must still have a training image."""
        readable = {order[index].name for index in rows}
        kept: Splits = {name: [r for r in self.splits[name] if r.name in readable] for name in SPLITS}
        trained = {record.label for record in kept["train"]}
        for label in self.classes:
            if label not in trained:
                raise DatasetInvalid(f"no training image of class {label!r} can be read", pointer="/dataset")
        return kept

    def _parts(self, kept: Splits, images: Images) -> dict[str, Split]:
        index = {label: i for i, label in enumerate(self.classes)}
        parts: dict[str, Split] = {}
        start = 0
        for name in SPLITS:
            records = kept[name]
            labels = torch.tensor([index[record.label] for record in records], dtype=torch.int64)
            stop = start + len(records)
            part = images.part(start, stop) if isinstance(images, ImageFile) else images[start:stop]
            parts[name] = Split(part, labels, tuple(record.name for record in records))
            start = stop
        return parts

    def _facts(self, kept: Splits, canvas_size: int, fingerprint: str, unreadable: list[str]) -> DatasetFacts:
        counts = {name: Counter(record.label for record in kept[name]) for name in SPLITS}
        return DatasetFacts(
            uri=redacted(self.spec.uri),
            format=self.format,
            fingerprint=fingerprint,
            classes=list(self.classes),
            num_train=len(kept["train"]),
            num_validation=len(kept["validation"]),
            num_test=len(kept["test"]),
            images_per_class={str(name): {c: counts[name][c] for c in self.classes} for name in SPLITS},
            native_size=self.native_size,
            resident_bytes=sum(map(len, kept.values())) * 3 * canvas_size**2,
            unreadable=unreadable[:MAX_NAMED],
            num_unreadable=len(unreadable),
            passed_over=dict(self.listing.passed_over),
            tables=list(self.listing.tables),
            smallest_difference=smallest_difference(len(kept["test"])) if kept["test"] else None,
        )


def open_dataset(spec: DatasetSpec, workspace: Workspace, *, seed: int) -> Source:
    """Fetch and read the dataset of `spec`, up to the splits; no image is decoded.

    Raises DatasetUnreachable, DatasetInvalid, LabelSpaceMismatch, ClassTooSmall, DiskFull.
    """
    listing, content = _list(spec, workspace)
    _check_names(listing.records)
    chosen = class_choice.choose(listing, spec)
    splits = split(chosen.records, spec=spec, classes=chosen.classes, seed=seed)
    if listing.image_size is not None:
        native_size, largest_side = listing.image_size, max(listing.image_size)
    else:
        native_size, largest_side = measure(splits, listing.read, workspace.policy.max_image_pixels)
    return Source(
        spec=spec,
        classes=chosen.classes,
        splits=splits,
        native_size=native_size,
        largest_side=largest_side,
        listing=listing,
        content=content,
        workspace=workspace,
        warnings=(
            *listing.warnings,
            *chosen.warnings,
            *renamed_split(chosen.records, spec),
            *check_splits(splits, chosen.classes),
        ),
    )


def open_unlabelled(spec: DatasetSpec, workspace: Workspace) -> Source | None:
    """The images of one folder without classes, all for training; None if `spec` names another kind of dataset.

    Raises DatasetUnreachable, DatasetInvalid, DiskFull.
    """
    if spec.uri.startswith("builtin:"):
        return None
    tree = open_tree(
        uri.fetch(spec.uri, workspace, credentials=spec.credentials), policy=workspace.policy, cache=workspace.cache
    )
    listing = readers.read_unlabelled(Reading(tree, spec, workspace.cache))
    if listing is None:
        return None
    _check_names(listing.records)
    splits: Splits = {"train": sorted(listing.records, key=lambda record: record.name), "validation": [], "test": []}
    native_size, largest_side = measure(splits, listing.read, workspace.policy.max_image_pixels)
    return Source(
        spec=spec,
        classes=(UNNAMED,),
        splits=splits,
        native_size=native_size,
        largest_side=largest_side,
        listing=listing,
        content=tree.identity(),
        workspace=workspace,
    )


def _list(spec: DatasetSpec, workspace: Workspace) -> tuple[Listing, str]:
    scheme, _, name = spec.uri.partition(":")
    if scheme == "builtin":
        return builtin.read(name.strip("/")), spec.uri
    tree = open_tree(
        uri.fetch(spec.uri, workspace, credentials=spec.credentials), policy=workspace.policy, cache=workspace.cache
    )
    listing = unify(readers.read(Reading(tree, spec, workspace.cache)))
    return listing, tree.identity()


def _check_names(records: list[Record]) -> None:
    """Raise DatasetInvalid unless every class is text and every name is unique text: they go into JSON, messages and
    files.
    """
    seen: set[str] = set()
    for record in records:
        try:
            (record.name + record.label).encode()
        except UnicodeEncodeError:
            raise DatasetInvalid(f"the name or class of {record.name!a} is no Unicode text") from None
        if record.name in seen:
            raise DatasetInvalid(
                f"the dataset names the image {record.name!r} twice",
                hint="keep one row or file of it; an image of several classes is none of a classification",
            )
        seen.add(record.name)


def _fingerprint(pixels_sha256: str, parts: dict[str, Split], classes: tuple[str, ...]) -> str:
    digest = hashlib.sha256(json.dumps([pixels_sha256, list(classes)]).encode())
    for name in SPLITS:
        digest.update(f"\n{name}\n".encode() + parts[name].labels.numpy().tobytes())
    return digest.hexdigest()
