"""Class folders, loose and packed: what went in comes out, and splits are kept."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset, Source
from core.errors import ClassTooSmall, DatasetInvalid
from tests.core.data.conftest import Encode

Open = Callable[..., Source]


@pytest.mark.parametrize("packing", ["folder", "zip", "tar", "tar.gz", "tgz"])
@pytest.mark.parametrize("wrapper", ["", "photos/"])
def test_class_folders_loose_and_packed(
    tmp_path: Path,
    open_source: Open,
    encode: Encode,
    packing: str,
    wrapper: str,
    by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]],
    pixels: Callable[[bytes], np.ndarray],
    make_zip: Callable[[Path, dict[str, bytes]], Path],
    make_tar: Callable[[Path, dict[str, bytes]], Path],
) -> None:
    forms = {"a": "PNG", "b": "WEBP", "c": "JPEG"}
    members = {
        f"{wrapper}{name}/{i}.{form.lower()}": encode(i + 10 * n, form)
        for n, (name, form) in enumerate(forms.items())
        for i in range(5)
    } | {f"{wrapper}readme.txt": b"hello", "__MACOSX/a/._0.png": b"litter", f"{wrapper}a/.hidden.png": b"litter"}
    if packing == "folder":
        for name, data in members.items():
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes(data)
        where = tmp_path / "set"
    else:
        where = (make_zip if packing == "zip" else make_tar)(tmp_path / f"set.{packing}", members)
    dataset = open_source(where).decode(8)
    found = by_name(dataset)
    assert dataset.classes == ("a", "b", "c")
    assert len(found) == 15
    assert all(label == name.removeprefix(wrapper)[0] for name, (label, _, _) in found.items())
    for name, (_, image, _) in found.items():
        assert np.array_equal(image, pixels(members[name]))


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_given_splits_stay(
    tmp_path: Path,
    open_source: Open,
    class_folders: Callable[..., Path],
    validation: str,
    by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]],
) -> None:
    for split, count in (("train", 4), (validation, 2), ("test", 3)):
        class_folders(tmp_path / "set" / split, {"cat": count, "dog": count})
    found = by_name(open_source(tmp_path / "set").decode(8))
    words = {"train": "train", validation: "validation", "test": "test"}
    assert {name: split for name, (_, _, split) in found.items()} == {
        f"{folder}/{label}/{i}.png": words[folder]
        for folder, count in (("train", 4), (validation, 2), ("test", 3))
        for label in ("cat", "dog")
        for i in range(count)
    }


def test_a_class_may_be_called_train(tmp_path: Path, open_source: Open, class_folders: Callable[..., Path]) -> None:
    source = open_source(class_folders(tmp_path / "set", {"train": 5, "tram": 5}))
    assert source.classes == ("train", "tram")


def test_only_a_test_folder_is_split(tmp_path: Path, open_source: Open, class_folders: Callable[..., Path]) -> None:
    source = open_source(class_folders(tmp_path / "set" / "test", {"cat": 10, "dog": 10}))
    assert (source.num_train, source.num_validation, source.num_test) == (16, 2, 2)


def test_an_empty_class_folder_is_named(tmp_path: Path, open_source: Open, class_folders: Callable[..., Path]) -> None:
    class_folders(tmp_path / "set", {"cat": 5, "dog": 5})
    (tmp_path / "set" / "eel").mkdir()
    with pytest.raises(ClassTooSmall, match="'eel' has no image"):
        open_source(tmp_path / "set")
    assert open_source(tmp_path / "set", classes=("dog", "cat")).classes == ("dog", "cat")


def test_a_folder_without_images_says_what_is_there(tmp_path: Path, open_source: Open) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "notes.txt").write_text("x")
    with pytest.raises(DatasetInvalid, match=r"found 1 x \.txt.*folder, npz, idx, cifar-python"):
        open_source(tmp_path / "set")
    with pytest.raises(DatasetInvalid, match=r"holds no image: found 1 x \.txt"):
        open_source(tmp_path / "set", format="folder")


def test_an_image_outside_class_folders_is_named(
    tmp_path: Path, open_source: Open, class_folders: Callable[..., Path], encode: Encode
) -> None:
    (class_folders(tmp_path / "set", {"cat": 3, "dog": 3}) / "loose.png").write_bytes(encode(1))
    with pytest.raises(DatasetInvalid, match=r"'loose.png' lies in no class folder"):
        open_source(tmp_path / "set")
