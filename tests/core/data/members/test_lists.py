"""Lists of split members beside class folders, in the forms of public datasets: read, or refused by name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import warning_codes
from core.data.dataset import Source
from core.errors import DatasetInvalid

Open = Callable[..., Source]
Folders = Callable[..., Path]
Files = dict[str, str]

NAMES = ("ants", "bees")
TRAIN, TEST = range(8), range(8, 12)
ALL = [f"{name}/{i}" for name in NAMES for i in range(12)]


def entries(numbers: range, form: str = "{name}/{i}.png") -> str:
    return "".join(form.format(name=name, i=i) + "\n" for name in NAMES for i in numbers)


def paths(numbers: range, form: str = "{name}/{i}.png") -> list[str]:
    return entries(numbers, form).split()


def both(train: str, test: str, form: str) -> Files:
    return {train: entries(TRAIN, form), test: entries(TEST, form)}


@pytest.fixture
def photos(tmp_path: Path, class_folders: Folders) -> Callable[[Files], Path]:
    """photos({file: text}): images/ants/0.png ... images/bees/11.png, and these files beside `images`."""

    def make(files: Files) -> Path:
        root = tmp_path / "set"
        class_folders(root / "images", dict.fromkeys(NAMES, 12))
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root

    return make


IDS = "".join(f"{n} {path}.png\n" for n, path in enumerate(ALL, 1))
IS_TRAINING = "".join(f"{n} {int(int(path.split('/')[1]) in TRAIN)}\n" for n, path in enumerate(ALL, 1))
SPLIT_COLUMN = "".join(f"images/{path}.png,{'train' if i % 12 in TRAIN else 'test'}\n" for i, path in enumerate(ALL))

RIGHT: dict[str, Files] = {
    "Food-101, without extensions": {**both("meta/train.txt", "meta/test.txt", "{name}/{i}"), "meta/classes.txt": "x"},
    "Food-101 in JSON": {
        f"meta/{split}.json": json.dumps({name: [f"{name}/{i}" for i in numbers] for name in NAMES})
        for split, numbers in (("train", TRAIN), ("test", TEST))
    },
    "Stanford Dogs": both("lists/train_list.txt", "lists/test_list.txt", "{name}/{i}.png"),
    "MIT indoor scenes": both("TrainImages.txt", "TestImages.txt", "{name}/{i}.png"),
    "SUN397, a slash before": both("Partitions/Training_01.txt", "Partitions/Testing_01.txt", "/{name}/{i}.png"),
    "UCF, with class numbers": both("splits/trainlist01.txt", "splits/testlist01.txt", "{name}/{i}.png 1"),
    "paths of Windows": both("train.txt", "test.txt", "images\\{name}\\{i}.png"),
    "with a folder before": both("train.txt", "test.txt", "./images/{name}/{i}.png"),
    "other extensions": both("train.lst", "test.lst", "{name}/{i}.png"),
    "a column of CSV": {
        f"{split}.csv": "path,x\n" + entries(numbers, "{name}/{i}.png,7")
        for split, numbers in (("train", TRAIN), ("test", TEST))
    },
    "a test list alone": {"testing_list.txt": entries(TEST)},
    "two parts of a list": {
        "train1.txt": entries(range(4)), "train2.txt": entries(range(4, 8)), "test.txt": entries(TEST),
    },
    "CUB-200": {"images.txt": IDS, "train_test_split.txt": IS_TRAINING},
    "a column of splits": {"splits.csv": f"path,split\n{SPLIT_COLUMN}"},
    "keys of JSON": {"split.json": json.dumps({"train": paths(TRAIN), "test": paths(TEST)})},
    "keys of JSON, with labels": {
        "split_zhou.json": json.dumps({
            split: [[f"{name}/{i}.png", n, name] for n, name in enumerate(NAMES) for i in numbers]
            for split, numbers in (("train", TRAIN), ("test", TEST))
        })
    },
}  # fmt: skip


@pytest.mark.parametrize("files", RIGHT.values(), ids=RIGHT)
def test_lists_of_members_are_the_splits(photos: Callable[[Files], Path], open_source: Open, files: Files) -> None:
    source = open_source(photos(files))
    assert source.classes == NAMES
    assert sorted(record.name for record in source.splits["test"]) == sorted(paths(TEST, "images/{name}/{i}.png"))
    assert (source.num_train + source.num_validation, source.num_test) == (16, 8)
    told = [one for one in source.warnings if one.code == warning_codes.SPLITS_FROM_LISTS]
    assert len(told) == 1 and all(one.code != warning_codes.TABLE_UNUSED or "class" in one.message
                                  for one in source.warnings)  # fmt: skip


def test_a_class_name_with_a_space_is_no_delimiter(tmp_path: Path, class_folders: Folders, open_source: Open) -> None:
    root = class_folders(tmp_path / "set", {"red ants": 6, "bees": 6})
    (root / "train.txt").write_text("".join(f"{name}/{i}.png\n" for name in ("red ants", "bees") for i in range(4)))
    (root / "test.txt").write_text("".join(f"{name}/{i}.png\n" for name in ("red ants", "bees") for i in (4, 5)))
    assert open_source(root).num_test == 4


def test_a_validation_list_and_a_whole_list_of_both(photos: Callable[[Files], Path], open_source: Open) -> None:
    files = {"train.txt": entries(range(6)), "val.txt": entries(range(6, 8)), "test.txt": entries(TEST)}
    source = open_source(photos({**files, "trainval.txt": entries(TRAIN)}))
    assert (source.num_train, source.num_validation, source.num_test) == (12, 4, 8)


def test_images_in_no_list_are_counted(photos: Callable[[Files], Path], open_source: Open) -> None:
    source = open_source(photos({"train.txt": entries(range(7)), "test.txt": entries(TEST)}))
    counts = {one.code: one.count for one in source.warnings}
    assert (source.num_train + source.num_validation, counts[warning_codes.IMAGES_NOT_IN_TABLE]) == (14, 2)


def test_entries_of_absent_images_are_counted(photos: Callable[[Files], Path], open_source: Open) -> None:
    absent = entries(range(50), "wasps/{i}.png")
    source = open_source(photos({"train.txt": absent + entries(TRAIN), "test.txt": absent + entries(TEST)}))
    assert source.num_test == 8
    assert [one.count for one in source.warnings if one.code == warning_codes.LIST_ENTRIES_MISSING] == [100, 100]


REFUSED: dict[str, tuple[Files, str]] = {
    "an image in both": (
        {"train.txt": entries(TRAIN), "test.txt": entries(range(7, 12))},
        r"'images/\w+/7.png' is in two lists of different splits: 'train.txt' and 'test.txt'",
    ),
    "two partitions": (
        {
            **both("labels/train1.txt", "labels/test1.txt", "{name}/{i}.png"),
            "labels/train2.txt": entries(range(4, 12)),
            "labels/test2.txt": entries(range(4)),
        },
        r"both 'labels/train1.txt' \(16 images\) and 'labels/train2.txt' \(16 images\) could list the train split",
    ),
    "two tests": (
        {"test_seen.txt": entries(range(2)), "test_unseen.txt": entries(range(2, 4))},
        "both 'test_seen.txt' .* and 'test_unseen.txt' .* could list the test split",
    ),
    "training alone": ({"train.txt": entries(TRAIN)}, r"'train.txt' lists 16 of 24 images for training"),
    "images that are not there": (
        {"test.txt": entries(TEST, "wasps_{i}.jpg")},
        "'test.txt' lists the test split by its name, and none of its 8 entries, such as 'wasps_11.jpg'",
    ),
    "two images of one name": (
        {"test.txt": entries(TEST, "{i}.png")},
        r"the list 'test.txt' cannot be read: .*could be",
    ),
    "a form that is not read": ({"test_list.mat": "MATLAB 5.0"}, r"'test_list.mat' lists the test split by its name"),
    "numbers for splits": (
        {"partition.csv": "path,partition\n" + "".join(f"{path}.png,{i % 3}\n" for i, path in enumerate(ALL))},
        r"'partition.csv', line 2, column 'partition'.*'0'",
    ),
    "numbers without images": ({"train_test_split.txt": IS_TRAINING}, r"'images.txt' is no file"),
    "a number that is no image": (
        {"images.txt": IDS, "train_test_split.txt": IS_TRAINING + "99 1\n"},
        "names the image 99",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "told"), REFUSED.values(), ids=REFUSED)
def test_lists_that_cannot_be_trusted_are_refused(
    photos: Callable[[Files], Path], open_source: Open, files: Files, told: str
) -> None:
    root = photos(files)
    with pytest.raises(DatasetInvalid, match=told) as caught:
        open_source(root)
    assert "dataset.splits" in caught.value.hint and caught.value.pointer == "/dataset/splits"
    # The way out that the hint names: leave the lists out.
    source = open_source(root, splits={name.rpartition("/")[2]: "ignore" for name in files if name != "images.txt"})
    assert source.classes == NAMES


OTHERS: dict[str, Files] = {
    "results": {"test_results.txt": entries(TEST, "{name}/{i}.png 0.93"), "train_log.txt": "epoch 1\nepoch 2\n"},
    "a text": {"test.txt": "this is only a test\nof writing a file\n"},
    "one word": {"train.txt": "hello\n"},
    "a note on one image": {f"images/ants/{i}.txt": "0\n0\n" for i in range(12)},
    "COCO": {"instances_train.json": json.dumps({"images": [{"id": 1}], "annotations": []})},
}


@pytest.mark.parametrize("files", OTHERS.values(), ids=OTHERS)
def test_other_files_are_no_lists(photos: Callable[[Files], Path], open_source: Open, files: Files) -> None:
    source = open_source(photos(files))
    assert source.num_train + source.num_validation + source.num_test == 24
    assert all(one.code != warning_codes.SPLITS_FROM_LISTS for one in source.warnings)


def test_dataset_splits_names_a_list(photos: Callable[[Files], Path], open_source: Open) -> None:
    root = photos({"fold1.txt": entries(TRAIN), "fold2.txt": entries(TEST)})
    source = open_source(root, splits={"fold1.txt": "train", "fold2.txt": "test"})
    assert (source.num_train + source.num_validation, source.num_test) == (16, 8)


def test_without_names_no_list_tells_a_split(photos: Callable[[Files], Path], open_source: Open) -> None:
    root = photos(both("train.txt", "test.txt", "{name}/{i}.png")) / "images"
    assert open_source(root, splits={}).num_test == 2


def test_lists_beside_a_table_of_classes(tmp_path: Path, encode: Callable[..., bytes], open_source: Open) -> None:
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    for i in range(24):
        (root / "images" / f"p{i:02}.png").write_bytes(encode(i))
    (root / "labels.csv").write_text("image,label\n" + "".join(f"p{i:02}.png,{NAMES[i % 2]}\n" for i in range(24)))
    (root / "train.txt").write_text("".join(f"p{i:02}\n" for i in range(16)))
    (root / "test.txt").write_text("".join(f"p{i:02}\n" for i in range(16, 24)))
    source = open_source(root)
    assert (source.format, source.num_test) == ("csv", 8)
