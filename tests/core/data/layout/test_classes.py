"""Folders of images: which are splits, which are classes, which are neither, and what is refused as unclear."""

from collections import Counter

import pytest

from core.data.layout.pinned import place_all
from core.data.layout.siblings import Unclear
from core.data.split_rules import SplitRules
from core.spec import SplitTarget

Tree = dict[str, int]  # folder -> images in it

SPLIT_LAYOUTS: dict[str, tuple[str, ...]] = {
    # folders that hold <class> folders -> the split of each, as first letters
    "plain": ("train=t", "val=v", "test=x"),
    "words": ("training=t", "validation=v", "evaluation=x"),
    "capitals": ("TRAIN=t", "TEST=x"),
    "spaces": ("Train Set=t", "Test Set=x"),
    "dashes": ("train-split=t", "test-split=x"),
    "fillers": ("train_images=t", "valid_images=v"),
    "fillers before": ("images_train=t", "images_test=x"),
    "prefix": ("seg_train=t", "seg_test=x"),
    "suffix": ("train_flowers=t", "val_flowers=v", "test_flowers=x"),
    "years": ("train2017=t", "val2017=v"),
    "numbers": ("train1=t", "train2=t", "test1=x"),
    "glued": ("trainset=t", "testset=x"),
    "camel": ("TrainData=t", "TestData=x"),
    "holdout": ("train=t", "holdout=x"),
    "hold out": ("train=t", "hold_out=x"),
    "eval": ("train=t", "eval=x"),
    "dev": ("train=t", "dev=v", "test=x"),
    "trainval": ("trainval=t", "test=x"),
    "doubled": ("train/train=t", "test/test=x"),
    "doubled with a prefix": ("seg_train/seg_train=t", "seg_test/seg_test=x"),
    "masks in splits beside": ("images/train=t", "images/test=x", "labels/train=-", "labels/test=-"),
    "two levels apart": ("set/set/train=t", "set/set/val=v", "test=x"),
    "images inside": ("train/images=t", "test/images=x"),
    "one level apart": ("dataset/train=t", "dataset/val=v", "test=x"),
    "wrapped": ("flowers/data/train=t", "flowers/data/test=x"),
    "Spanish": ("entrenamiento=t", "validación=v", "prueba=x"),
    "Chinese": ("训练集=t", "测试集=x"),
    "Japanese": ("学習=t", "検証=v", "テスト=x"),
    "only a test folder": ("test=x",),
}
NAMES = {"t": "train", "v": "validation", "x": "test"}


def images(tree: Tree, name: str = "") -> list[str]:
    return sorted(f"{folder}/{name}{i}.png".lstrip("/") for folder, count in tree.items() for i in range(count))


def placed(tree: Tree, splits: dict[str, SplitTarget] | None = None) -> Counter[tuple[str, str | None]]:
    layout, _ = place_all(images(tree), SplitRules(splits))
    return Counter((label, split) for _, label, split in layout.placed)


@pytest.mark.parametrize("folders", SPLIT_LAYOUTS.values(), ids=SPLIT_LAYOUTS)
def test_splits_are_told_from_classes(folders: tuple[str, ...]) -> None:
    told = [folder.split("=") for folder in folders]
    tree = {f"{folder}/{label}": 3 for folder, _ in told for label in ("ants", "bees")}
    found = placed(tree)
    if len(told) == 1:
        assert {label for label, _ in found} == {"ants", "bees"}
        return
    wanted: Counter[tuple[str, str | None]] = Counter()
    for _, letter in told:
        wanted.update({(label, NAMES[letter]): 3 for label in ("ants", "bees") if letter in NAMES})
    assert found == wanted


@pytest.mark.parametrize(
    "classes",
    [
        ("train", "tram"),
        ("test tube", "beaker"),
        ("trainers", "boots"),
        ("valve", "pump"),
        ("latest", "oldest"),
        ("valid", "invalid"),
        ("developer", "tester"),
        ("contest", "protest"),
        ("train station", "bus stop", "test pattern"),
        ("runs", "walks"),
        ("images", "drawings"),
        ("mask", "no_mask"),
        ("0", "1", "10"),
    ],
)
def test_classes_with_such_words_stay_classes(classes: tuple[str, ...]) -> None:
    assert placed(dict.fromkeys(classes, 4)) == {(name, None): 4 for name in classes}


def test_sub_folders_of_a_class_belong_to_it() -> None:
    tree = {"ants/2019": 2, "ants/2020/may": 1, "bees/2019": 2, "bees/2020": 2}
    assert placed(tree) == {("ants", None): 3, ("bees", None): 4}
    assert placed({"n01/images": 3, "n02/images": 3}) == {("n01", None): 3, ("n02", None): 3}


def test_folders_inside_all_classes_are_told() -> None:
    layout, _ = place_all(images({"animal/cat": 2, "animal/dog": 2, "car/bus": 2, "car/van": 2}), SplitRules(None))
    assert layout.num_subfolders == 4
    assert place_all(images({"ants/2019": 2, "bees": 2}), SplitRules(None))[0].num_subfolders == 0


def test_splits_inside_each_class() -> None:
    tree = {f"{label}/{split}": 2 for label in ("ants", "bees") for split in ("train", "test")}
    assert placed(tree) == {(label, split): 2 for label in ("ants", "bees") for split in ("train", "test")}


@pytest.mark.parametrize("flat", ["test", "Test Set", "seg_pred", "unlabeled", "test/images", "seg_pred/seg_pred"])
def test_images_side_by_side_beside_splits_are_not_placed(flat: str) -> None:
    tree = {"seg_train/ants": 3, "seg_train/bees": 3, "seg_val/ants": 1, "seg_val/bees": 1, flat: 7}
    layout, _ = place_all(images(tree), SplitRules(None))
    assert (layout.flat, layout.unlabelled) == (
        ({flat: "test"}, {}) if "est" in flat else ({}, {flat.partition("/")[0]: 7})
    )
    assert Counter(split for _, _, split in layout.placed) == {"train": 6, "validation": 2}


@pytest.mark.parametrize("side", ["runs", "runs/exp1", "annotations", "masks/ants", "figures", "logs"])
def test_side_folders_beside_splits_are_left_out(side: str) -> None:
    tree = {"train/ants": 3, "train/bees": 3, "test/ants": 1, "test/bees": 1, side: 4}
    layout, _ = place_all(images(tree), SplitRules(None))
    assert list(layout.left_out.values()) == [4]
    assert {label for _, label, _ in layout.placed} == {"ants", "bees"}


def test_masks_beside_images_are_left_out() -> None:
    tree = {f"CUB/{kind}/{label}": 3 for kind in ("images", "segmentations") for label in ("ants", "bees")}
    layout, _ = place_all(images(tree), SplitRules(None))
    assert layout.left_out == {"CUB/segmentations": 6}
    assert {label for _, label, _ in layout.placed} == {"ants", "bees"}


UNCLEAR: dict[str, tuple[Tree, str]] = {
    "a further folder": ({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1, "extra/a": 1, "extra/b": 1}, "'extra'"),
    "two tests": ({f"{s}/{c}": 2 for s in ("train", "test", "evaluation") for c in "ab"}, "'evaluation' and 'test'"),
    "two validations": ({f"{s}/{c}": 2 for s in ("train", "val", "dev", "test") for c in "ab"}, "'dev' and 'val'"),
    "train beside trainval": ({f"{s}/{c}": 2 for s in ("train", "trainval", "test") for c in "ab"}, "'trainval'"),
    "flat splits": ({"train": 5, "test": 5}, "'test'.*'train'"),
    "a flat test folder beside classes": ({"ants": 5, "bees": 5, "test": 5}, "'test'"),
    "a flat training folder": ({"train": 5, "test/ants": 5, "test/bees": 5}, "'train' has no class folders"),
    "the whole dataset again": (
        {"set/ants": 5, "set/bees": 5, "set/set/ants": 5, "set/set/bees": 5},
        "'set/set' holds the folders 'ants', 'bees' again",
    ),
    "a folder for each letter": ({"a/abbey": 2, "a/attic": 2, "b/bar": 2}, "start with that letter"),
    "no train": ({f"{s}/{c}": 2 for s in ("val", "test") for c in "ab"}, "none of them is for training"),
    "versions": ({f"{v}/{c}": 2 for v in ("color", "grayscale") for c in ("rust", "blight")}, "'color'.*'grayscale'"),
    "domains": ({f"{v}/images/{c}": 2 for v in ("amazon", "dslr") for c in ("bike", "mug")}, "'amazon'.*'dslr'"),
    "domains with splits": (
        {f"{v}/{s}/{c}": 2 for v in ("photo", "sketch") for s in ("train", "test") for c in "ab"},
        "'photo' a class or a domain",
    ),
    "folds": ({f"fold{n}/{c}": 2 for n in range(3) for c in ("ants", "bees")}, "'fold0'"),
    "words of an unknown language": ({f"{v}/{c}": 2 for v in ("opetus", "koe") for c in ("ants", "bees")}, "'koe'"),
    "images beside class folders": ({"": 1, "ants": 3, "bees": 3}, r"'0\.png' lies in no class folder"),
    "images beside classes in a split": (
        {"train": 1, "train/a": 3, "train/b": 3, "test/a": 1, "test/b": 1},
        r"'train/0\.png' lies in no class folder",
    ),
    "splits in some classes": ({"ants/train": 2, "ants/test": 2, "bees": 3}, "'bees'"),
}


@pytest.mark.parametrize(("tree", "told"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_could_be_two_things_is_refused(tree: Tree, told: str) -> None:
    with pytest.raises(Unclear, match=told) as caught:
        placed(tree)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("tree", "splits", "wanted"),
    [
        (
            {"train/a": 2, "train/b": 2, "extra/a": 1, "extra/b": 1},
            {"extra": "test"},
            {("a", None): 2, ("b", None): 2, ("a", "test"): 1, ("b", "test"): 1},
        ),
        (
            {"photo/a": 2, "photo/b": 2, "sketch/a": 1, "sketch/b": 1},
            {"photo": "train", "sketch": "test"},
            {("a", "train"): 2, ("b", "train"): 2, ("a", "test"): 1, ("b", "test"): 1},
        ),
        ({"ants": 2, "bees": 2, "test": 3}, {"test": "ignore"}, {("ants", None): 2, ("bees", None): 2}),
        ({"train": 2, "test": 3}, {}, {("train", None): 2, ("test", None): 3}),
        (
            {"set/fold0/a": 2, "set/fold0/b": 2, "set/fold1/a": 1, "set/fold1/b": 1},
            {"fold0": "train", "set/fold[1-9]": "test"},
            {("a", "train"): 2, ("b", "train"): 2, ("a", "test"): 1, ("b", "test"): 1},
        ),
        (
            {"ants": 2, "ants/held": 1, "bees": 2, "bees/held": 1},
            {"held": "test"},
            {("ants", None): 2, ("bees", None): 2, ("ants", "test"): 1, ("bees", "test"): 1},
        ),
        (
            {"ants": 3, "bees": 3},
            {"0.png": "test"},
            {("ants", None): 2, ("bees", None): 2, ("ants", "test"): 1, ("bees", "test"): 1},
        ),
        (
            {"a/seg/seg/x": 2, "a/seg/seg/y": 2, "b/x": 1, "b/y": 1},
            {"a": "train", "b": "validation"},
            {("seg", "train"): 4, ("x", "validation"): 1, ("y", "validation"): 1},
        ),
    ],
)
def test_patterns_decide(tree: Tree, splits: dict[str, SplitTarget], wanted: dict[tuple[str, str | None], int]) -> None:
    assert placed(tree, splits) == wanted


def test_masks_of_the_same_names_beside_classes_are_refused() -> None:
    with pytest.raises(Unclear, match="'masks'"):
        place_all(images({"ants": 3, "bees": 3, "masks": 3}, "img_"), SplitRules(None))


def test_a_matched_folder_without_classes_is_refused() -> None:
    with pytest.raises(Unclear, match=r"'extra'.*no class folder"):
        placed({"ants": 2, "bees": 2, "extra": 2}, {"extra": "test"})
