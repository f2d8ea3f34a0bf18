"""Splits images into training, validation and test: stratified by class, seeded, and independent of the files'
order.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace

from core.data.listing import Record, SplitName
from core.errors import ClassTooSmall, near_misses
from core.spec import DatasetSpec

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
Splits = dict[SplitName, list[Record]]


@dataclass(frozen=True)
class _Plan:
    """The splits that the dataset brings, and how the others are made."""

    spec: DatasetSpec
    seed: int
    has_validation: bool
    has_test: bool
    classes: tuple[str, ...]
    """Those that have training images, for near misses."""


def split(records: list[Record], *, spec: DatasetSpec, classes: tuple[str, ...], seed: int) -> Splits:
    """The records of each split, by name. A given split stays as it is; where all is one split, it is cut into three.

    A validation split without a test split is the test split, since what the customer holds out is for the test, unless
    dataset.splits calls it validation; then both of the others are cut off.

    Of each class, `test_fraction` of all images and then `validation_fraction` of the rest are held out, at least one
    each. Raises ClassTooSmall where a class would have no image left to train on.
    """
    if test_from_validation(records, spec):
        records = [replace(record, split="test") if record.split == "validation" else record for record in records]
    given = {record.split for record in records}
    trains = "train" in given or None in given
    trained = {record.label for record in records if record.split in ("train", None)}
    plan = _Plan(spec, seed, trains and "validation" in given, trains and "test" in given, tuple(sorted(trained)))
    by_class: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_class[record.label].append(record)
    splits: Splits = {name: [] for name in SPLITS}
    for label in classes:
        for name, members in _split_class(label, by_class[label], plan, trains).items():
            splits[name] += members
    return {name: sorted(members, key=lambda record: record.name) for name, members in splits.items()}


def test_from_validation(records: list[Record], spec: DatasetSpec) -> bool:
    """Whether the given validation split becomes the test split."""
    given = {record.split for record in records}
    asked = "validation" in (spec.splits or {}).values()
    return "validation" in given and "test" not in given and bool(given & {"train", None}) and not asked


def _split_class(label: str, members: list[Record], plan: _Plan, trains: bool) -> Splits:
    given: Splits = {name: [] for name in SPLITS}
    for record in members:
        given[(record.split or "train") if trains else "train"].append(record)
    pool = _shuffled(given["train"], plan.seed)
    needed = 1 + (not plan.has_validation) + (not plan.has_test)
    if len(pool) < needed:
        raise _too_small(label, len(pool), needed, plan, len(members))
    test = given["test"]
    if not plan.has_test:
        count = _share(len(pool), plan.spec.test_fraction, keep=needed - 1)
        test, pool = pool[:count], pool[count:]
    validation = _shuffled(given["validation"], plan.seed)
    most = plan.spec.max_per_class
    if not plan.has_validation:
        pool = pool[:most]
        count = _share(len(pool), plan.spec.validation_fraction, keep=1)
        validation, pool = pool[:count], pool[count:]
    elif most is not None and len(pool) + len(validation) > most:
        # A given validation split shrinks to its share as well: the customer has `most` images, validation included.
        count = min(len(validation), _share(most, plan.spec.validation_fraction, keep=1))
        validation, pool = validation[:count], pool[: most - count]
    return {"train": pool, "validation": validation, "test": test}


def _share(total: int, fraction: float, keep: int) -> int:
    """The size of a held-out part: at least one, and so that `keep` images are left."""
    return max(1, min(round(total * fraction), total - keep))


def _shuffled(records: list[Record], seed: int) -> list[Record]:
    """Ordered by a hash of seed and name, so that the place of a file does not depend on the other files."""
    return sorted(records, key=lambda record: hashlib.sha256(f"{seed}\0{record.name}".encode()).digest())


def _too_small(label: str, count: int, needed: int, plan: _Plan, total: int) -> ClassTooSmall:
    wanted = ["training"] + ["validation"] * (not plan.has_validation) + ["test"] * (not plan.has_test)
    images = "image" if count == 1 else "images"
    elsewhere = f" ({total - count} more lie in the given validation and test splits)" if total > count else ""
    close = near_misses(label, plan.classes) if not count else []
    elsewhere += f". Is it {' or '.join(map(repr, close))} under another name?" if close else ""
    return ClassTooSmall(
        f"class {label!r} has {count} {images} to split into {', '.join(wanted)}; at least {needed} are needed"
        + elsewhere,
        hint="add images, merge the class into another by dataset.class_map, or leave it out of dataset.classes",
        pointer="/dataset/classes",
    )
