"""Renaming, merging and choosing classes, in the customer's words."""

from dataclasses import replace

from core.data.listing import Listing, Record
from core.errors import ClassTooSmall, DatasetInvalid, LabelSpaceMismatch, unknown
from core.spec import DatasetSpec


def choose(listing: Listing, spec: DatasetSpec) -> tuple[tuple[str, ...], list[Record]]:
    """The classes in the order of the student's outputs, and their records under the new names.

    Raises LabelSpaceMismatch for names that the dataset lacks, ClassTooSmall for a class without any image,
    DatasetInvalid where fewer than two classes are left.
    """
    present = {record.label for record in listing.records}
    known = present | set(listing.empty_classes)
    for old in spec.class_map:
        if old not in known:
            pointer = "/dataset/class_map/" + old.replace("~", "~0").replace("/", "~1")
            raise LabelSpaceMismatch(f"class_map: {unknown('class', old, in_order(known))}", pointer=pointer)
    records = [_renamed(record, spec.class_map) for record in listing.records]
    names = {spec.class_map.get(name, name) for name in known}
    classes = spec.classes if spec.classes is not None else in_order(names)
    _check(classes, names, {record.label for record in records})
    wanted = set(classes)
    return classes, [record for record in records if record.label in wanted]


def in_order(names: set[str]) -> tuple[str, ...]:
    """Sorted by name; by value where all are integers, so that 10 comes after 9 and outputs keep their place."""
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _renamed(record: Record, class_map: dict[str, str]) -> Record:
    new = class_map.get(record.label)
    return record if new is None else replace(record, label=new)


def _check(classes: tuple[str, ...], names: set[str], filled: set[str]) -> None:
    for name in classes:
        if name not in names:
            raise LabelSpaceMismatch(
                f"dataset.classes: {unknown('class', name, in_order(names))}", pointer="/dataset/classes"
            )
    if len(set(classes)) != len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise LabelSpaceMismatch(f"dataset.classes names {twice!r} twice", pointer="/dataset/classes")
    empty = next((name for name in classes if name not in filled), None)
    if empty is not None:
        raise ClassTooSmall(f"class {empty!r} has no image", pointer="/dataset/classes")
    if len(classes) < 2:
        raise DatasetInvalid(
            f"the dataset has only the class {classes[0]!r}; at least two are needed", pointer="/dataset"
        )
