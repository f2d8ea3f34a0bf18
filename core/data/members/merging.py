"""From all lists of a dataset to one split for each image, or a refusal that names the lists that disagree."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.data import warning_codes
from core.data.layout.siblings import Unclear
from core.data.listing import Record, SplitName
from core.data.members.split_list import SplitList
from core.data.split_names import WORDS, words_of
from core.data.tables.candidates import Candidate
from core.events import JobWarning

MOST_LISTED = 4


@dataclass(frozen=True)
class Membership:
    """Image -> split, and the lists that say so."""

    splits: Mapping[str, SplitName] = field(default_factory=dict)
    lists: tuple[SplitList, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The files of the lists."""
        return frozenset(one.path for one in self.lists)

    def others(self, tables: Sequence[Candidate]) -> list[Candidate]:
        """Those of `tables` that are none of the lists."""
        return [one for one in tables if one.table.path not in self.paths]

    def applied(self, records: Sequence[Record]) -> list[Record]:
        """The records with the splits of the lists. Images in no list are for training, where no list is of it; else
        they are left out."""
        if not self.lists:
            return list(records)
        lists_training = any(one.split == "train" for one in self.lists)
        return [
            replace(record, split=self.splits.get(record.key, "train"))
            for record in records
            if record.key in self.splits or not lists_training
        ]

    def warnings(self, records: Sequence[Record]) -> list[JobWarning]:
        """What the lists decided of `records`, and which of their entries name no image."""
        if not self.lists:
            return []
        told = ", ".join(f"{one.path!r} ({one.split}: {len(one.images)} images)" for one in self.lists)
        warnings = [
            JobWarning(
                code=warning_codes.SPLITS_FROM_LISTS,
                message=f"the splits come from lists: {told}",
                hint='to leave a list out, say so in dataset.splits, as in {"test.txt": "ignore"}',
                count=len(self.splits),
            )
        ]
        left_out = [record for record in records if record.key not in self.splits]
        if left_out and any(one.split == "train" for one in self.lists):
            warnings.append(_left_out(left_out))
        return [*warnings, *(_missing(one) for one in self.lists if one.missing)]


def merged(lists: Sequence[SplitList], num_images: int) -> Membership:
    """All lists together. Raises Unclear where two of them disagree, or where the lists tell of training alone."""
    kept = [one for split in ("train", "validation", "test") for one in _of_one_split(split, lists)]
    splits: dict[str, SplitName] = {}
    paths: dict[str, str] = {}
    for one in kept:
        for image in one.images:
            if splits.setdefault(image, one.split) != one.split:
                raise Unclear(
                    f"{image!r} is in two lists of different splits: {paths[image]!r} and {one.path!r}",
                    hint=way_out([paths[image], one.path]),
                )
            paths[image] = one.path
    if kept and {one.split for one in kept} == {"train"}:
        if len(splits) == num_images:
            return Membership()
        raise Unclear(
            f"{kept[0].path!r} lists {len(splits)} of {num_images} images for training, and no list tells of the "
            "others",
            hint=way_out([kept[0].path]),
        )
    return Membership(splits, tuple(kept))


def way_out(paths: Sequence[str]) -> str:
    """How dataset.splits leaves one of these files out."""
    return f'say which counts by leaving the others out in dataset.splits, as in {{"{paths[-1]}": "ignore"}}'


def _of_one_split(split: str, lists: Sequence[SplitList]) -> list[SplitList]:
    """The lists of one split without repetitions. Raises Unclear where they are not parts of one list."""
    found = [one for one in lists if one.split == split]
    rest = [one for one in found if one.word != "trainval"]
    if split == "train" and rest and len(rest) < len(found):
        held = {image for one in lists if one.split == "validation" for image in one.images}
        whole = held.union(*(one.images for one in rest))
        other = next((one for one in found if one.word == "trainval" and not one.images <= whole), None)
        if other is not None:
            raise _several(other, rest[0])
        found = rest
    kept: list[SplitList] = []
    for one in found:
        if any(one.images == other.images for other in kept):
            continue
        for other in kept:
            if _stem(one) != _stem(other) or one.images & other.images:
                raise _several(other, one)
        kept.append(one)
    return kept


def _stem(one: SplitList) -> tuple[str, ...]:
    """The words of a list's name without numbers and split words: `test1` and `test2` are parts of one name."""
    name = posixpath.splitext(posixpath.basename(one.path))[0]
    return tuple(word for word in words_of(name) if not word.isdecimal() and word not in WORDS)


def _several(one: SplitList, other: SplitList) -> Unclear:
    shared = len(one.images & other.images)
    told = f", and share {shared} images" if shared else ""
    return Unclear(
        f"both {one.path!r} ({len(one.images)} images) and {other.path!r} ({len(other.images)} images) could list the "
        f"{one.split} split{told}",
        hint=way_out([one.path, other.path]),
    )


def _left_out(records: Sequence[Record]) -> JobWarning:
    images = "1 image is" if len(records) == 1 else f"{len(records)} images are"
    return JobWarning(
        code=warning_codes.IMAGES_NOT_IN_TABLE,
        message=f"{images} in no list of a split and left out, such as {records[0].name!r}",
        hint="add these images to a list where they should be used",
        count=len(records),
    )


def _missing(one: SplitList) -> JobWarning:
    entries = "1 entry" if len(one.missing) == 1 else f"{len(one.missing)} entries"
    return JobWarning(
        code=warning_codes.LIST_ENTRIES_MISSING,
        message=f"{entries} of the list {one.path!r} name no image of the dataset, such as {one.missing[0]!r}",
        hint="add the images, or use only the classes that are there",
        count=len(one.missing),
    )
