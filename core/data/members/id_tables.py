"""The two tables of Caltech's birds (CUB-200-2011) and of NABirds: `images.txt` gives each image a number, and
`train_test_split.txt` says of each number whether it is a training image (1) or a test image (0)."""

import posixpath
from collections.abc import Mapping

from core.data.members.split_list import SplitList, looked_up
from core.data.tables.image_index import ImageIndex
from core.errors import DatasetInvalid

SPLIT_FILE, IMAGES_FILE = "train_test_split.txt", "images.txt"


def split_lists(path: str, splits_text: str, images_text: str, images: ImageIndex) -> list[SplitList]:
    """The training and the test list that both tables give. Raises DatasetInvalid, which names the table and line."""
    folder = posixpath.dirname(path)
    is_training = _pairs(splits_text, path)
    paths = _pairs(images_text, posixpath.join(folder, IMAGES_FILE))
    _check(is_training, paths, path)
    train = [paths[number] for number, told in is_training.items() if told == "1"]
    test = [paths[number] for number, told in is_training.items() if told == "0"]
    return [
        looked_up(train, path, "train", "train", images=images, folder=folder),
        looked_up(test, path, "test", "test", images=images, folder=folder),
    ]


def _pairs(text: str, path: str) -> dict[str, str]:
    """Number -> the rest of its line."""
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, _, value = line.strip().partition(" ")
        if not value.strip() or key in pairs:
            raise DatasetInvalid(f"{path!r}, line {number}: {line[:80]!r} is not a new number and its value")
        pairs[key] = value.strip()
    return pairs


def _check(is_training: Mapping[str, str], paths: Mapping[str, str], path: str) -> None:
    for number, told in is_training.items():
        if told not in ("0", "1"):
            raise DatasetInvalid(f"{path!r} says {told!r} of the image {number}; wanted: 1 (training) or 0 (test)")
        if number not in paths:
            raise DatasetInvalid(f"{path!r} names the image {number}, which {IMAGES_FILE!r} beside it lacks")
