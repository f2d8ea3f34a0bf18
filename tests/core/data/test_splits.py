"""Splits: stratified, seeded, independent of order, true to what the dataset gives."""

import random
from typing import Any

import pytest

from core.data.listing import Record
from core.data.splits import SPLITS, Splits, split
from core.errors import ClassTooSmall
from core.spec import DatasetSpec


def records(counts: dict[str, int], given: str | None = None) -> list[Record]:
    return [
        Record(f"{given or 'all'}/{label}/{i:04}", label, given, None)  # type: ignore[arg-type]
        for label, count in counts.items()
        for i in range(count)
    ]


def cut(members: list[Record], seed: int = 0, **fields: Any) -> Splits:
    spec = DatasetSpec(uri="builtin:digits", **fields)
    return split(members, spec=spec, classes=tuple(sorted({r.label for r in members})), seed=seed)


def counts(splits: Splits, label: str) -> tuple[int, ...]:
    return tuple(sum(record.label == label for record in splits[name]) for name in SPLITS)


def test_shares_of_each_class() -> None:
    splits = cut(records({"a": 1000, "b": 50, "c": 3}), validation_fraction=0.2, test_fraction=0.1)
    assert counts(splits, "a") == (720, 180, 100)
    assert counts(splits, "b") == (36, 9, 5)
    assert counts(splits, "c") == (1, 1, 1)


def test_nothing_is_lost_or_doubled() -> None:
    members = records({"a": 37, "b": 11})
    splits = cut(members)
    names = [record.name for name in SPLITS for record in splits[name]]
    assert sorted(names) == sorted(record.name for record in members)


def test_order_of_files_does_not_matter_but_the_seed_does() -> None:
    members = records({"a": 40, "b": 40})
    shuffled = random.Random(1).sample(members, len(members))
    assert cut(members) == cut(shuffled)
    assert cut(members, seed=1) != cut(members)


def test_a_new_file_moves_few_others() -> None:
    members = records({"a": 100})
    before = {record.name for record in cut([*members, *records({"b": 9})])["test"]}
    grown = [*members, Record("all/a/new", "a", None, None), *records({"b": 9})]
    after = {record.name for record in cut(grown)["test"]}
    assert len(before ^ after) <= 2


def test_given_splits_stay() -> None:
    members = records({"a": 20}, "train") + records({"a": 5}, "test") + records({"a": 4}, "validation")
    splits = cut(members)
    assert counts(splits, "a") == (20, 4, 5)
    assert {r.name for r in splits["test"]} == {f"test/a/{i:04}" for i in range(5)}


def test_only_the_missing_split_is_cut_off() -> None:
    assert counts(cut(records({"a": 20}, "train") + records({"a": 5}, "test")), "a") == (18, 2, 5)


def test_a_validation_split_without_a_test_split_is_the_test_split() -> None:
    members = records({"a": 20}, "train") + records({"a": 5}, "validation")
    assert counts(cut(members), "a") == (18, 2, 5)
    assert counts(cut(members, splits={"val": "validation"}), "a") == (18, 5, 2)


def test_a_class_of_the_test_alone_names_its_near_miss() -> None:
    members = records({"cats": 9, "dogs": 9}, "train") + records({"cat": 2, "dogs": 2}, "test")
    with pytest.raises(ClassTooSmall, match=r"class 'cat' has 0 images.*2 more lie in .* Is it 'cats'"):
        cut(members)


def test_max_per_class_holds_for_training_and_validation_together() -> None:
    splits = cut(records({"a": 1000, "b": 30}), max_per_class=50)
    assert counts(splits, "a") == (45, 5, 100)
    assert counts(splits, "b") == (24, 3, 3)
    members = records({"a": 1000}, "train") + records({"a": 100}, "validation")
    given = cut(members, max_per_class=50, splits={"val": "validation"})
    assert counts(given, "a") == (45, 5, 100)


def test_a_smaller_max_per_class_takes_a_part_of_the_larger() -> None:
    members = records({"a": 500, "b": 500})

    def learnt(most: int) -> set[str]:
        splits = cut(members, max_per_class=most)
        return {record.name for name in ("train", "validation") for record in splits[name]}

    assert learnt(50) < learnt(100) < learnt(400)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        (records({"a": 9, "b": 1}), "class 'b' has 1 image to split into training, validation, test; at least 3"),
        (records({"a": 9, "b": 2}), "class 'b' has 2 images"),
        (
            records({"a": 9, "b": 1}, "train") + records({"a": 1, "b": 1}, "test"),
            "into training, validation; at least 2",
        ),
        (records({"a": 9}, "train") + records({"b": 9}, "test"), "class 'b' has 0 images"),
    ],
)
def test_a_class_too_small_is_named(members: list[Record], why: str) -> None:
    with pytest.raises(ClassTooSmall, match=why):
        cut(members)
