"""From class folders to tensors: choosing, renaming, what is unreadable, and what the facts say."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data import warning_codes
from core.data.dataset import Dataset, Source
from core.data.image_file import ImageFile
from core.errors import ClassTooSmall, DatasetInvalid, LabelSpaceMismatch
from core.policy import Policy
from tests.core.data.conftest import Encode

Open = Callable[..., Source]


@pytest.fixture
def animals(tmp_path: Path, class_folders: Callable[..., Path]) -> Path:
    """Ten images each of ant, bee, cat."""
    return class_folders(tmp_path / "set", {"ant": 10, "bee": 10, "cat": 10})


def labels_by_folder(dataset: Dataset) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for part in (dataset.train, dataset.validation, dataset.test):
        for name, label in zip(part.names, part.labels.tolist(), strict=True):
            found.setdefault(name.split("/")[0], set()).add(dataset.classes[label])
    return found


def test_the_facts(animals: Path, open_source: Open) -> None:
    source = open_source(animals)
    assert (source.num_train, source.num_validation, source.num_test) == (24, 3, 3)
    facts = source.decode(8).facts
    assert (facts.num_train, facts.num_validation, facts.num_test) == (24, 3, 3)
    assert facts.images_per_class["train"] == {"ant": 8, "bee": 8, "cat": 8}
    assert facts.native_size == (8, 8)
    assert facts.resident_bytes == 30 * 3 * 8 * 8
    assert (facts.format, facts.classes, facts.num_unreadable) == ("folder", ["ant", "bee", "cat"], 0)
    assert len(facts.fingerprint) == 64


def test_types_and_shapes(animals: Path, open_source: Open) -> None:
    train = open_source(animals).decode(16).train
    assert (train.images.dtype, train.images.shape) == (torch.uint8, (24, 3, 16, 16))
    assert (train.labels.dtype, len(train.names)) == (torch.int64, 24)


def test_chosen_classes_keep_their_order(animals: Path, open_source: Open) -> None:
    dataset = open_source(animals, classes=("cat", "ant")).decode(8)
    assert dataset.classes == ("cat", "ant")
    assert labels_by_folder(dataset) == {"cat": {"cat"}, "ant": {"ant"}}


def test_renaming_and_merging(animals: Path, open_source: Open) -> None:
    dataset = open_source(animals, class_map={"ant": "insect", "bee": "insect"}).decode(8)
    assert dataset.classes == ("cat", "insect")
    assert labels_by_folder(dataset) == {"ant": {"insect"}, "bee": {"insect"}, "cat": {"cat"}}


def test_integer_classes_are_ordered_by_value(
    tmp_path: Path, open_source: Open, class_folders: Callable[..., Path]
) -> None:
    source = open_source(class_folders(tmp_path / "set", {str(n): 3 for n in (10, 9, 1, 2)}))
    assert source.classes == ("1", "2", "9", "10")


@pytest.mark.parametrize(
    ("fields", "why", "pointer"),
    [
        ({"classes": ("ant", "beee")}, "unknown class 'beee'. Did you mean 'bee'", "/dataset/classes"),
        ({"classes": ("ant", "ant")}, "names 'ant' twice", "/dataset/classes"),
        ({"class_map": {"cta": "x"}}, "class_map: unknown class 'cta'. Did you mean 'cat'", "/dataset/class_map/cta"),
        ({"class_map": {"ant": "bug"}, "classes": ("ant", "bee")}, "unknown class 'ant'", "/dataset/classes"),
    ],
)
def test_classes_that_the_dataset_lacks(animals: Path, open_source: Open, fields: dict, why: str, pointer: str) -> None:
    with pytest.raises(LabelSpaceMismatch, match=why) as caught:
        open_source(animals, **fields)
    assert caught.value.pointer == pointer


def test_one_class_is_too_few(animals: Path, open_source: Open) -> None:
    with pytest.raises(DatasetInvalid, match="only the class 'x'"):
        open_source(animals, class_map={"ant": "x", "bee": "x", "cat": "x"})


def test_a_class_with_one_image(tmp_path: Path, open_source: Open, class_folders: Callable[..., Path]) -> None:
    with pytest.raises(ClassTooSmall, match="class 'dog' has 1 image "):
        open_source(class_folders(tmp_path / "set", {"cat": 9, "dog": 1}))


def test_unreadable_images_are_named_or_left_out(animals: Path, open_source: Open) -> None:
    (animals / "bee" / "3.png").write_bytes(b"no image")
    (animals / "bee" / "4.png").write_bytes(b"")
    with pytest.raises(DatasetInvalid, match=r"2 of 30 images cannot be read: .*bee/3\.png: is none of") as caught:
        open_source(animals).decode(8)
    assert "bee/4.png: is empty" in caught.value.message
    dataset = open_source(animals, max_unreadable_fraction=0.07).decode(8)
    names = [name for part in (dataset.train, dataset.validation, dataset.test) for name in part.names]
    assert (len(names), dataset.facts.num_unreadable, len(dataset.facts.unreadable)) == (28, 2, 2)
    assert not {"bee/3.png", "bee/4.png"} & set(names)


def test_rows_stay_with_their_names_where_some_are_left_out(
    animals: Path,
    open_source: Open,
    by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]],
    pixels: Callable[[bytes], np.ndarray],
) -> None:
    (animals / "bee" / "3.png").write_bytes(b"no image")
    for name, (_, image, _) in by_name(open_source(animals, max_unreadable_fraction=0.5).decode(8)).items():
        assert (image == pixels((animals / name).read_bytes())).all()


def test_a_folder_of_unreadable_images(animals: Path, open_source: Open) -> None:
    for path in animals.rglob("*.png"):
        path.write_bytes(b"junk")
    with pytest.raises(DatasetInvalid, match=r"no image can be read; the first: ant/\d\.png: is none of"):
        open_source(animals, max_unreadable_fraction=0.9)


def test_canvas_has_a_margin_only_for_larger_files(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(5):
            (tmp_path / "set" / name / f"{i}.jpg").write_bytes(encode(i, "JPEG", (40, 30)))
    source = open_source(tmp_path / "set")
    assert source.native_size == (30, 40)
    assert (source.canvas_size(40), source.canvas_size(28)) == (40, 32)
    assert source.decode(28).train.images.shape[-2:] == (32, 32)


def test_leaks_between_splits_are_told(tmp_path: Path, open_source: Open, class_folders: Callable[..., Path]) -> None:
    class_folders(tmp_path / "set" / "train", {"a": 5, "b": 5})
    class_folders(tmp_path / "set" / "test", {"a": 3, "b": 3})
    warnings = open_source(tmp_path / "set").decode(8).warnings
    overlaps = [warning for warning in warnings if warning.code == warning_codes.SPLITS_OVERLAP]
    assert sum(warning.count or 0 for warning in overlaps) == 6


def test_a_test_split_that_lacks_a_class_is_told(
    tmp_path: Path, open_source: Open, class_folders: Callable[..., Path]
) -> None:
    class_folders(tmp_path / "set" / "train", {"a": 5, "b": 5})
    class_folders(tmp_path / "set" / "test", {"a": 3})
    warnings = {warning.code: warning for warning in open_source(tmp_path / "set").warnings}
    missing = warnings[warning_codes.CLASSES_MISSING_IN_SPLIT]
    assert missing.count == 1 and "test split has no image of 'b'" in missing.message


def test_links_may_not_lead_out(
    tmp_path: Path, open_source: Open, class_folders: Callable[..., Path], animals: Path
) -> None:
    secret = class_folders(tmp_path / "secret", {"x": 3})
    (animals / "dog").symlink_to(secret / "x")
    policy = Policy(file_roots=(animals,))
    with pytest.raises(DatasetInvalid, match="'dog' is a link that leads out"):
        open_source(animals, policy=policy)
    assert "dog" in open_source(animals).classes


def test_a_name_that_is_no_text(animals: Path, open_source: Open, encode: Encode) -> None:
    try:
        with open(bytes(animals / "ant") + b"/\xff.png", "wb") as file:
            file.write(encode(5))
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    with pytest.raises(DatasetInvalid, match=r"'ant/.udcff\.png' is no Unicode text"):
        open_source(animals)


def test_an_image_file_larger_than_an_image_can_be(animals: Path, open_source: Open) -> None:
    (animals / "ant" / "1.png").write_bytes(bytes(17 << 20))
    with pytest.raises(DatasetInvalid, match=r"ant/1\.png.* is larger than"):
        open_source(animals, policy=Policy(max_image_pixels=64)).decode(8)


def test_a_folder_that_contains_itself(animals: Path, open_source: Open) -> None:
    (animals / "ant" / "loop").symlink_to(animals)
    with pytest.raises(DatasetInvalid, match="lies deeper than 32 folders"):
        open_source(animals)


def test_a_second_job_decodes_nothing(
    animals: Path, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_source(animals).decode(8)
    monkeypatch.setattr("core.data.resident.pixels_of", None)
    second = open_source(animals).decode(8)
    assert torch.equal(first.train.images, second.train.images)
    assert first.facts == second.facts


@pytest.mark.parametrize("damage", ["pixels", "rows.json", "missing"])
def test_a_damaged_cache_is_made_anew(animals: Path, open_source: Open, tmp_path: Path, damage: str) -> None:
    first = open_source(animals).decode(8)
    [folder] = (tmp_path / "cache" / "decoded").iterdir()
    if damage == "missing":
        (folder / "pixels").unlink()
    else:
        data = bytearray((folder / damage).read_bytes())
        data[len(data) // 2] ^= 255
        (folder / damage).write_bytes(data)
    second = open_source(animals).decode(8)
    assert torch.equal(first.train.images, second.train.images)
    assert first.facts == second.facts


def test_a_changed_file_is_decoded_anew(animals: Path, open_source: Open, encode: Encode) -> None:
    before = open_source(animals).decode(8).facts.fingerprint
    shutil.copy2(animals / "ant" / "1.png", animals / "kept")
    (animals / "ant" / "1.png").write_bytes(encode(77))
    (animals / "kept").unlink()
    assert open_source(animals).decode(8).facts.fingerprint != before


def test_large_datasets_stay_in_their_file(animals: Path, open_source: Open) -> None:
    resident = open_source(animals).decode(8)
    left = open_source(animals, policy=Policy(max_resident_bytes=1000)).decode(8)
    for name in ("train", "validation", "test"):
        images = getattr(left, name).images
        assert isinstance(images, ImageFile)
        assert torch.equal(images[:], getattr(resident, name).images)


def test_the_seed_decides_the_splits_and_nothing_else(animals: Path, open_source: Open) -> None:
    one, same, other = (open_source(animals, seed=seed).decode(8) for seed in (0, 0, 1))
    assert one.train.names == same.train.names
    assert one.train.names != other.train.names
