"""A validation or test folder of images beside class folders, whose classes a table gives: read, or refused by name."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import warning_codes
from core.data.dataset import Source
from core.errors import DatasetInvalid

Open = Callable[..., Source]
Folders = Callable[..., Path]
Encode = Callable[..., bytes]
Make = Callable[..., Path]

NAMES = ("ants", "bees")


@pytest.fixture
def photos(tmp_path: Path, class_folders: Folders, encode: Encode) -> Make:
    """photos(flat, files, names): train/<name>/0.png ... 9.png, six images in the folder `flat`, and these files."""

    def make(flat: str, files: dict[str, str], names: tuple[str, ...] = NAMES) -> Path:
        root = tmp_path / "set"
        class_folders(root / "train", dict.fromkeys(names, 10))
        (root / flat).mkdir(parents=True)
        for i in range(6):
            (root / flat / f"{i}.png").write_bytes(encode(9000 + i))
        for name, text in files.items():
            (root / name).write_text(text)
        return root

    return make


def rows(form: str, header: str = "", names: tuple[str, ...] = NAMES, count: int = 6) -> str:
    return header + "".join(form.format(i=i, label=names[i % 2]) + "\n" for i in range(count))


RIGHT: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "tiny-imagenet": ("val/images", {"val/val_annotations.txt": rows("{i}.png\t{label}\t0\t0\t9\t9")}, NAMES),
    "beside the folder": ("test", {"test_labels.csv": rows("{i},{label}", "id,label\n")}, NAMES),
    "inside the folder": ("test", {"test/labels.csv": rows("{i}.png,{label}", "filename,class\n")}, NAMES),
    "GTSRB": (
        "Test",
        {
            "Test.csv": rows("8,1,{label},Test/{i}.png", "Width,X1,ClassId,Path\n", ("0", "1")),
            "Train.csv": "Width,X1,ClassId,Path\n8,1,0,train/0/0.png\n",
            "Meta.csv": "Path,ClassId\nMeta/0.png,0\n",
        },
        ("0", "1"),
    ),
    "numbers without zeros": ("test", {"test.csv": rows("{i}.png,{label}", "image,label\n", ("0", "1"))}, ("00", "01")),
    "one table of all": (
        "val",
        {"labels.csv": rows("val/{i}.png,{label}", "file,breed\n")},
        NAMES,
    ),
    "a table for each split": (
        "val",
        {
            "val.csv": rows("{i}.png,{label}", "filename,class\n"),
            "train.csv": "filename,class\n" + "".join(f"{name}/{i}.png,{name}\n" for name in NAMES for i in range(10)),
        },
        NAMES,
    ),
    "boxes: an image in several rows": (
        "val",
        {"val.csv": rows("{i}.png,{label},1", "filename,class,x\n") + rows("{i}.png,{label},2")},
        NAMES,
    ),
}


@pytest.mark.parametrize(("flat", "files", "names"), RIGHT.values(), ids=RIGHT)
def test_a_table_gives_the_classes(
    photos: Make, open_source: Open, flat: str, files: dict[str, str], names: tuple[str, ...]
) -> None:
    source = open_source(photos(flat, files, names))
    assert source.classes == names
    held_out = {record.name: record.label for record in source.splits["test"]}
    assert held_out == {f"{flat}/{i}.png": names[i % 2] for i in range(6)}
    assert source.num_train + source.num_validation == 20
    assert warning_codes.TABLE_GUESSED in {one.code for one in source.warnings} or source.format == "csv"


def test_images_that_the_table_lacks_are_counted(photos: Make, open_source: Open) -> None:
    source = open_source(photos("test", {"test.csv": rows("{i}.png,{label}", "image,label\n", count=4)}))
    left_out = [one.count for one in source.warnings if one.code == warning_codes.UNLABELLED_LEFT_OUT]
    assert (source.num_test, left_out) == (4, [2])


REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "other classes": (
        "test",
        {"test.csv": rows("{i}.png,{label}", "image,label\n", ("wasp", "fly"))},
        "'test.csv'.*certainly holds the classes",
    ),
    "a class and boxes in one cell": (
        "val",
        {"val.csv": rows("{i},{label} 1 1 5 5", "ImageId,Prediction\n")},
        "'val.csv'",
    ),
    "two classes of an image": (
        "val",
        {"val.csv": rows("{i}.png,{label}", "image,label\n") + "0.png,bees\n"},
        "'val/0.png' the label 'bees'",
    ),
    "two tables that differ": (
        "test",
        {
            "test.csv": rows("{i}.png,{label}", "image,label\n"),
            "test_new.csv": rows("{i}.png,{label}", "image,label\n", ("bees", "ants")),
        },
        "'test.csv' and 'test_new.csv' give different classes",
    ),
    "a validation split without a table": ("val", {}, "'val' has no class folders"),
}  # fmt: skip


@pytest.mark.parametrize(("flat", "files", "told"), REFUSED.values(), ids=REFUSED)
def test_a_table_that_is_not_certain_is_refused(
    photos: Make, open_source: Open, flat: str, files: dict[str, str], told: str
) -> None:
    root = photos(flat, files)
    with pytest.raises(DatasetInvalid, match=told) as caught:
        open_source(root)
    assert caught.value.hint
    left_out = {name: "ignore" for name in [flat, *files]}
    assert Counter(r.label for part in open_source(root, splits=left_out).splits.values() for r in part) == {
        "ants": 10,
        "bees": 10,
    }


@pytest.mark.parametrize(
    "files",
    [
        {"sample_submission.csv": rows("{i},ants", "id,label\n")},
        {"test.csv": rows("{i}", "id\n")},
        {"train.csv": "image,label\n0.png,ants\n"},
    ],
)
def test_a_test_folder_without_labels_is_left_out(photos: Make, open_source: Open, files: dict[str, str]) -> None:
    source = open_source(photos("test", files), format="folder")
    assert sum(map(len, source.splits.values())) == 20
    assert [one.count for one in source.warnings if one.code == warning_codes.UNLABELLED_LEFT_OUT] == [6]
