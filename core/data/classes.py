"""Renames, merges and chooses classes, as the spec says."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.data.class_names import check_similar, spelled
from core.data.listing import Listing, Record
from core.errors import ClassTooSmall, DatasetInvalid, LabelSpaceMismatch, unknown
from core.events import JobWarning
from core.spec import DatasetSpec


@dataclass(frozen=True)
class Chosen:
    """The chosen classes in the order of the student's outputs, and their records under the new names."""

    classes: tuple[str, ...]
    records: list[Record]
    warnings: tuple[JobWarning, ...] = ()


def choose(listing: Listing, spec: DatasetSpec) -> Chosen:
    """Rename, merge and choose, as `spec` says; `listing` has one spelling for every class.

    Raises LabelSpaceMismatch for names that the dataset lacks, ClassTooSmall for a class without any image,
    DatasetInvalid where fewer than two classes are left.
    """
    known = {record.label for record in listing.records} | set(listing.empty_classes)
    for old in spec.class_map:
        if spelled(old) not in known:
            pointer = "/dataset/class_map/" + old.replace("~", "~0").replace("/", "~1")
            raise LabelSpaceMismatch(f"class_map: {unknown('class', old, in_order(known))}", pointer=pointer)
    class_map = {spelled(old): new for old, new in spec.class_map.items()}
    records = [_renamed(record, class_map) for record in listing.records]
    names = {class_map.get(name, name) for name in known}
    asked = None if spec.classes is None else tuple(name if name in names else spelled(name) for name in spec.classes)
    warnings = check_similar(names, asked)
    classes = in_order(names) if asked is None else asked
    empty = {class_map.get(name, name): what for name, what in listing.empty_classes.items()}
    _check(classes, names, {record.label for record in records}, empty)
    wanted = set(classes)
    return Chosen(classes, [record for record in records if record.label in wanted], warnings)


def in_order(names: set[str]) -> tuple[str, ...]:
    """Sorted by name; by value where all are integers, so that 10 comes after 9 and outputs keep their place."""
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _renamed(record: Record, class_map: Mapping[str, str]) -> Record:
    new = class_map.get(record.label)
    return record if new is None else replace(record, label=new)


def _check(classes: tuple[str, ...], names: set[str], filled: set[str], empty: Mapping[str, str]) -> None:
    for name in classes:
        if name not in names:
            raise LabelSpaceMismatch(
                f"dataset.classes: {unknown('class', name, in_order(names))}", pointer="/dataset/classes"
            )
    if len(set(classes)) != len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise LabelSpaceMismatch(f"dataset.classes names {twice!r} twice", pointer="/dataset/classes")
    bare = next((name for name in classes if name not in filled), None)
    if bare is not None:
        raise ClassTooSmall(
            f"class {bare!r} has no image: {empty.get(bare, 'none is labelled so')}",
            hint="put images of the class there, remove its folder, or name the classes to keep in dataset.classes",
            pointer="/dataset/classes",
        )
    if len(classes) < 2:
        raise DatasetInvalid(
            f"the dataset has only the class {classes[0]!r}; at least two are needed", pointer="/dataset"
        )
