"""What is told of splits before training: imbalance, missing classes, and the differences that a test can prove."""

from core.data import warning_codes
from core.data.listing import Record
from core.data.split_checks import check_splits, overlap_warnings
from core.data.splits import Splits


def splits(train: dict[str, int], test: dict[str, int], validation: dict[str, int] | None = None) -> Splits:
    def records(counts: dict[str, int]) -> list[Record]:
        return [Record(f"{label}/{n}", label, None, n) for label, count in counts.items() for n in range(count)]

    return {"train": records(train), "validation": records(validation or train), "test": records(test)}


def codes(found: Splits) -> dict[str, int | None]:
    return {warning.code: warning.count for warning in check_splits(found, ("a", "b"))}


def test_a_small_test_split_is_told() -> None:
    assert warning_codes.TEST_SPLIT_SMALL not in codes(splits({"a": 50, "b": 50}, {"a": 300, "b": 300}))
    assert codes(splits({"a": 50, "b": 50}, {"a": 12, "b": 12}))[warning_codes.TEST_SPLIT_SMALL] == 24


def test_imbalance_is_told() -> None:
    test = {"a": 300, "b": 300}
    assert codes(splits({"a": 90, "b": 10}, test)) == {}
    assert codes(splits({"a": 100, "b": 10}, test)) == {warning_codes.CLASSES_IMBALANCED: 1}
    assert codes(splits({"a": 81, "b": 1}, test)) == {warning_codes.CLASSES_IMBALANCED: 1}


def test_missing_classes_are_told_for_each_split() -> None:
    found = splits({"a": 9, "b": 9}, {"a": 600}, {"b": 5})
    messages = [warning.message for warning in check_splits(found, ("a", "b"))]
    assert any("validation split has no image of 'a'" in message for message in messages)
    assert any("test split has no image of 'b'" in message for message in messages)


def test_equal_pixels_in_two_splits_are_counted() -> None:
    found = splits({"a": 2}, {"a": 2}, {"a": 1})
    digests = [f"{n:016}" for n in (1, 2, 3, 2, 1)]  # train 1 2, validation 3, test 2 1
    assert [warning.count for warning in overlap_warnings(found, "".join(digests))] == [2]
