"""One spelling for every class: Unicode forms, spaces, case, and numbers."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import warning_codes
from core.data.class_names import check_similar, spelled
from core.data.dataset import Source
from core.data.labels import column_texts, label_text
from core.errors import DatasetInvalid, LabelSpaceMismatch

Open = Callable[..., Source]
Make = Callable[..., Path]

CAFE = unicodedata.normalize("NFC", "café")


@pytest.mark.parametrize(
    "name",
    [
        unicodedata.normalize("NFD", CAFE),
        f" {CAFE}",
        f"{CAFE} ",
        f"{CAFE}\u00a0",
        f"{CAFE}\u200b",
        f"\ufeff{CAFE}",
        f"{CAFE}\t",
        f"{CAFE}\u3000",
    ],
    ids=ascii,
)
def test_what_nobody_sees_makes_no_class(tmp_path: Path, open_source: Open, class_folders: Make, name: str) -> None:
    source = open_source(class_folders(tmp_path / "set", {CAFE: 5, name: 5, "tea": 5}))
    assert source.classes == (CAFE, "tea")
    merged = [warning for warning in source.warnings if warning.code == warning_codes.CLASSES_MERGED]
    assert (
        merged[0].count == 1 and ascii(name).strip("'") in merged[0].message.replace("\\\\", "\\")
    ) or name in merged[0].message


def test_a_class_in_one_form_needs_no_warning(tmp_path: Path, open_source: Open, class_folders: Make) -> None:
    name = unicodedata.normalize("NFD", CAFE)
    for split in ("train", "test"):
        class_folders(tmp_path / "set" / split, {name: 5, "tea": 5})
    source = open_source(tmp_path / "set")
    assert source.classes == (CAFE, "tea")
    assert not any(warning.code == warning_codes.CLASSES_MERGED for warning in source.warnings)
    assert open_source(tmp_path / "set", classes=("tea", name)).classes == ("tea", CAFE)
    assert open_source(tmp_path / "set", class_map={name: "coffee"}).classes == ("coffee", "tea")


@pytest.mark.parametrize(
    "pair",
    [
        ("Ants", "ants"),
        ("fire truck", "fire_truck"),
        ("fire-truck", "Fire Truck"),
        ("07", "7"),
        ("ＡＢＣ", "ABC"),
        ("Straße", "STRASSE"),
    ],
)
@pytest.mark.parametrize("split", [False, True])
def test_names_that_are_nearly_one_are_refused_with_both(
    tmp_path: Path, open_source: Open, class_folders: Make, pair: tuple[str, str], split: bool
) -> None:
    one, two = pair
    if split:
        class_folders(tmp_path / "set" / "train", {one: 5, "bees": 5})
        class_folders(tmp_path / "set" / "test", {two: 5, "bees": 5})
    else:
        class_folders(tmp_path / "set", {one: 5, two: 5, "bees": 5})
    with pytest.raises(LabelSpaceMismatch) as caught:
        open_source(tmp_path / "set")
    assert repr(one) in caught.value.message and repr(two) in caught.value.message
    assert "class_map" in caught.value.hint
    assert open_source(tmp_path / "set", class_map={two: one}).classes == tuple(sorted((one, "bees")))


def test_both_can_be_kept_by_name(tmp_path: Path, open_source: Open, class_folders: Make) -> None:
    root = class_folders(tmp_path / "set", {"Co": 5, "CO": 5, "water": 5})
    source = open_source(root, classes=("Co", "CO", "water"))
    assert source.classes == ("Co", "CO", "water")
    assert any(warning.code == warning_codes.CLASSES_SIMILAR for warning in source.warnings)
    with pytest.raises(LabelSpaceMismatch):  # half of a class would be lost
        open_source(root, classes=("CO", "water"))
    assert open_source(class_folders(tmp_path / "more", {"Ox": 5, "ox": 5, "a": 5, "b": 5}), classes=("a", "b")).classes


def test_single_letters_are_classes_of_their_own() -> None:
    warnings = check_similar(["a", "A", "b", "B"], None)
    assert [warning.count for warning in warnings] == [2]
    assert check_similar(["-", "_", "+"], None) == ()


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.0, "1"), (-3.0, "-3"), ("x", "x"), (True, "True"), ("1.5a", "1.5a")]
)
def test_labels_of_all_types_follow_one_rule(value: object, text: str) -> None:
    assert label_text(value, "row") == text


@pytest.mark.parametrize("value", [1.5, float("inf"), None, "", "  ", [1], {"a": 1}, b"x"])
def test_what_is_no_class(value: object) -> None:
    with pytest.raises(DatasetInvalid, match="row: the label"):
        label_text(value, "row")


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["1.0", "2.0"], ["1", "2"]),
        (["1", "2.0"], ["1", "2"]),
        (["1.", "-2.00"], ["1", "-2"]),
        (["1e1", "2"], ["10", "2"]),
        (["01", "2"], ["01", "2"]),
        (["v1.0", "2.0"], ["v1.0", "2.0"]),
        (["1.0 mm", "2.0 mm"], ["1.0 mm", "2.0 mm"]),
    ],
)
def test_numbers_in_texts(texts: list[str], wanted: list[str]) -> None:
    assert column_texts(texts, "table") == wanted


def test_numbers_are_sorted_as_numbers(tmp_path: Path, open_source: Open, class_folders: Make) -> None:
    assert open_source(class_folders(tmp_path / "set", {"10": 4, "9": 4, "100": 4})).classes == ("9", "10", "100")


def test_a_spelling_is_stable() -> None:
    for name in ("  a  b ", "café", "\u200bx", "猫", "a\u0301\u00a0b"):
        assert spelled(spelled(name)) == spelled(name)
