"""Splits and configurations of parquet files, shards and arrays: told by names, decided by dataset.splits."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data import warning_codes
from core.data.dataset import Source
from core.data.shards import split_files
from core.data.split_rules import SplitRules
from core.errors import DatasetInvalid
from core.policy import Policy

Open = Callable[..., Source]
Encode = Callable[..., bytes]
Make = Callable[..., Path]


def told(*paths: str, splits: dict[str, str] | None = None) -> str:
    """The first letters of the splits of files; `-` for none."""
    found = split_files(paths, SplitRules(splits))  # type: ignore[arg-type]
    return "".join((found[path] or "-")[:2] for path in paths if path in found)


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-0.parquet"), "trtrte"),
        (("hymenoptera-train.parquet", "hymenoptera-test.parquet"), "trte"),
        (("flowers-train-00000.tar", "flowers-val-00000.tar"), "trva"),
        (("TRAIN.PARQUET", "TEST.PARQUET"), "trte"),
        (("x_train.parquet", "x_test.parquet"), "trte"),
        (("train/0000.parquet", "validation/0000.parquet"), "trva"),
        (("default/train/0000.parquet", "default/test/0000.parquet"), "trte"),
        (("default/partial-train/0000.parquet", "default/partial-test/0000.parquet"), "trte"),
        (("0000.parquet", "0001.parquet"), "--"),
        (("latest.parquet",), "-"),
        (("part1/a.parquet", "part2/a.parquet"), "--"),
        (("year=2020/a.parquet", "year=2021/a.parquet"), "--"),
        (("a/train.parquet", "b/test.parquet"), "trte"),
        (("trainset.tar", "testset.tar"), "trte"),
    ],
)
def test_the_split_word_anywhere_in_the_name(paths: tuple[str, ...], wanted: str) -> None:
    assert told(*paths) == wanted


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (("full/train.parquet", "cropped/train.parquet"), "'cropped', 'full'"),
        (
            ("full/train-0.parquet", "full/test-0.parquet", "small/train-0.parquet", "small/test-0.parquet"),
            "'full', 'small'",
        ),
        (("data/en/train.parquet", "data/de/train.parquet"), "'de', 'en'"),
        (("full-train-0.parquet", "cropped-train-0.parquet"), "'cropped', 'full'"),
        (("full/0000.parquet", "cropped/0000.parquet"), "'cropped', 'full'"),
        (("flowers-train-0.tar", "cars-train-0.tar"), "'cars', 'flowers'"),
        (("train.parquet", "extra.parquet"), "'train.parquet' tell a split, and 'extra.parquet' does not"),
        (("test.parquet", "evaluation.parquet", "train.parquet"), "could be the test split"),
        (("train_test.parquet", "train.parquet"), "tells several splits"),
    ],
)
def test_several_configurations_are_a_choice(paths: tuple[str, ...], why: str) -> None:
    with pytest.raises(DatasetInvalid, match=why) as caught:
        told(*paths)
    assert caught.value.pointer == "/dataset/splits" and caught.value.hint


def test_patterns_choose_a_configuration() -> None:
    paths = ("full/train.parquet", "full/test.parquet", "cropped/train.parquet", "cropped/test.parquet")
    assert told(*paths, splits={"cropped": "ignore"}) == "trte"
    assert told(*paths, splits={"full/*": "ignore"}) == "trte"
    assert told("train.parquet", "extra.parquet", splits={"extra.parquet": "test"}) == "trte"
    assert told("train.parquet", "test.parquet", splits={}) == "--"


def parquet(path: Path, images: list[bytes], labels: list[object], names: list[str] | None = None) -> None:
    table = pa.table({"image": pa.array(images, pa.binary()), "label": pa.array(labels)})
    if names:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


@pytest.mark.parametrize("missing", [-1, None])
def test_an_unlabelled_test_split_is_left_out(
    tmp_path: Path, open_source: Open, encode: Encode, missing: int | None
) -> None:
    names = ["ants", "bees"]
    parquet(tmp_path / "set" / "train.parquet", [encode(n) for n in range(10)], [n % 2 for n in range(10)], names)
    labels = pa.array([missing] * 4, pa.int64())
    parquet(tmp_path / "set" / "test.parquet", [encode(20 + n) for n in range(4)], labels, names)
    source = open_source(tmp_path / "set")
    assert (source.classes, sum(map(len, source.splits.values()))) == (("ants", "bees"), 10)
    left_out = [warning for warning in source.warnings if warning.code == warning_codes.UNLABELLED_LEFT_OUT]
    assert left_out[0].count == 4 and "test split" in left_out[0].message


def test_some_missing_labels_are_refused(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    parquet(tmp_path / "a.parquet", [encode(n) for n in range(6)], [0, 1, 0, 1, 0, -1], ["ants", "bees"])
    with pytest.raises(DatasetInvalid, match=r"a\.parquet#5 has the label -1; there are 2 class names"):
        open_source(tmp_path / "a.parquet")


def test_class_names_hold_for_files_without_them(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    for split, names in (("train", ["ants", "bees"]), ("test", None)):
        parquet(tmp_path / "set" / f"{split}.parquet", [encode(n) for n in range(6)], [n % 2 for n in range(6)], names)
    source = open_source(tmp_path / "set")
    assert {record.label for record in source.splits["test"]} == {"ants", "bees"}
    parquet(tmp_path / "set" / "test.parquet", [encode(n) for n in range(6)], [0, 1] * 3, ["bees", "ants"])
    with pytest.raises(DatasetInvalid, match="different class names"):
        open_source(tmp_path / "set")


@pytest.mark.parametrize("kind", ["parquet", "shards", "jsonl"])
def test_texts_of_numbers_follow_the_rule_of_numbers(
    tmp_path: Path, open_source: Open, encode: Encode, make_tar: Make, kind: str
) -> None:
    labels = [f"{n % 2 + 9}.0" for n in range(8)]
    if kind == "parquet":
        path = tmp_path / "a.parquet"
        parquet(path, [encode(n) for n in range(8)], list(labels))
    elif kind == "shards":
        members = {f"{n}.png": encode(n) for n in range(8)} | {f"{n}.cls": labels[n].encode() for n in range(8)}
        path = make_tar(tmp_path / "a.tar", members)
    else:
        path = tmp_path / "a.jsonl"
        path.write_text("\n".join(json.dumps({"image": f"{n}.png", "label": labels[n]}) for n in range(8)))
        for n in range(8):
            (tmp_path / f"{n}.png").write_bytes(encode(n))
    assert open_source(path).classes == ("9", "10")


def test_floats_of_pandas_are_whole_numbers(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    parquet(tmp_path / "a.parquet", [encode(n) for n in range(8)], [float(n % 2) for n in range(8)])
    assert open_source(tmp_path / "a.parquet").classes == ("0", "1")
    parquet(tmp_path / "a.parquet", [encode(n) for n in range(8)], [n % 2 + 0.5 for n in range(8)])
    with pytest.raises(DatasetInvalid, match=r"the label 0\.5"):
        open_source(tmp_path / "a.parquet")


def test_more_rows_than_allowed_are_refused_before_they_are_read(tmp_path: Path, open_source: Open) -> None:
    parquet(tmp_path / "a.parquet", [b""] * 100, [0] * 100)
    with pytest.raises(DatasetInvalid, match="100 entries; allowed are 99"):
        open_source(tmp_path / "a.parquet", policy=Policy(max_archive_entries=99))


def test_a_split_column_of_parquet(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    table = pa.table(
        {
            "image": pa.array([encode(n) for n in range(12)], pa.binary()),
            "label": [n % 2 for n in range(12)],
            "split": ["test" if n >= 8 else "Train" for n in range(12)],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert {record.key[2] for record in open_source(tmp_path / "a.parquet").splits["test"]} == {8, 9, 10, 11}


@pytest.mark.parametrize("kind", ["parquet", "tar", "npz"])
def test_files_of_many_images_beside_class_folders_are_a_choice(
    tmp_path: Path, open_source: Open, encode: Encode, class_folders: Make, make_tar: Make, kind: str
) -> None:
    root = class_folders(tmp_path / "set", {"cat": 4, "dog": 4})
    if kind == "parquet":
        parquet(root / "data.parquet", [encode(n) for n in range(8)], [n % 2 for n in range(8)])
    elif kind == "tar":
        make_tar(root / "data.tar", shard(encode, 0, 8))
    else:
        npz(root / "data.npz", x=pixels(12), y=LABELS)
    with pytest.raises(DatasetInvalid, match=r"class folders \(cat, dog"):
        open_source(root)
    assert open_source(root, format="folder").classes == ("cat", "dog")
    assert open_source(root, format={"tar": "webdataset"}.get(kind, kind)).classes != ("cat", "dog")


def test_parquet_without_its_extension(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    parquet(tmp_path / "download", [encode(n) for n in range(8)], [n % 2 for n in range(8)])
    assert open_source(tmp_path / "download").format == "parquet"


def shard(encode: Encode, start: int, count: int, image: str = "png", label: str = "cls") -> dict[str, bytes]:
    return {
        f"{n:04}.{end}": data
        for n in range(start, start + count)
        for end, data in ((image, encode(n)), (label, f"k{n % 2}".encode()))
    }


def test_shards_keep_their_splits(tmp_path: Path, open_source: Open, encode: Encode, make_tar: Make) -> None:
    (tmp_path / "set").mkdir()
    make_tar(tmp_path / "set" / "flowers-train-000.tar", shard(encode, 0, 10))
    make_tar(tmp_path / "set" / "flowers-test-000.TAR", shard(encode, 10, 4))
    (tmp_path / "set" / "index.json").write_text("{}")
    source = open_source(tmp_path / "set")
    assert source.num_test == 4
    assert source.listing.passed_over == {".json": 1}
    assert open_source(tmp_path / "set", splits={"*test*": "ignore"}).num_test < 4


def test_components_of_a_sample(tmp_path: Path, open_source: Open, encode: Encode, make_tar: Make) -> None:
    members = shard(encode, 0, 10, "input.png", "output.cls")
    assert open_source(make_tar(tmp_path / "a.tar", members)).classes == ("k0", "k1")
    members |= {f"{n:04}.mask.png": encode(n) for n in range(10)}
    with pytest.raises(DatasetInvalid, match=r"several images: 0000\.input\.png, 0000\.mask\.png"):
        open_source(make_tar(tmp_path / "b.tar", members))


def test_captions_are_no_classes(tmp_path: Path, open_source: Open, encode: Encode, make_tar: Make) -> None:
    members = shard(encode, 0, 12, label="txt")
    noted = {f"{n:04}.json": json.dumps({"label": "ab"[n % 2], "width": 8}).encode() for n in range(12)}
    assert open_source(make_tar(tmp_path / "a.tar", members | noted)).classes == ("k0", "k1")
    captions = {f"{n:04}.txt": f"a photograph, number {n}".encode() for n in range(12)}
    assert open_source(make_tar(tmp_path / "b.tar", members | noted | captions)).classes == ("a", "b")


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def pixels(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8), dtype=np.uint8)


LABELS = np.arange(12) % 2


@pytest.mark.parametrize(
    "names",
    [("x_{}", "y_{}"), ("X_{}", "Y_{}"), ("{}_images", "{}_labels"), ("images_{}", "labels_{}"), ("{}X", "{}Y")],
)
def test_arrays_of_splits(tmp_path: Path, open_source: Open, names: tuple[str, str]) -> None:
    arrays = {}
    for split, count in (("train", 12), ("val", 4), ("test", 6)):
        arrays |= {names[0].format(split): pixels(count, count), names[1].format(split): LABELS[:count]}
    source = open_source(npz(tmp_path / "a.npz", **arrays))
    assert (source.num_train, source.num_validation, source.num_test) == (12, 4, 6)


def test_arrays_without_a_partner_are_told(tmp_path: Path, open_source: Open) -> None:
    path = npz(tmp_path / "a.npz", x_train=pixels(12), y_train=LABELS, x_test=pixels(5))
    told_of = [warning for warning in open_source(path).warnings if warning.code == warning_codes.UNLABELLED_LEFT_OUT]
    assert told_of[0].count == 5 and "'x_test'" in told_of[0].message


def test_arrays_that_are_a_choice(tmp_path: Path, open_source: Open) -> None:
    path = npz(tmp_path / "a.npz", x_train=pixels(12), y_train=LABELS, x_extra=pixels(12, 1), y_extra=LABELS)
    with pytest.raises(DatasetInvalid, match="'x_extra'"):
        open_source(path)
    assert open_source(path, splits={"x_extra": "test"}).num_test == 12
    assert sum(map(len, open_source(path, splits={"x_extra": "ignore"}).splits.values())) == 12


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint8, bool])
def test_one_hot_labels(tmp_path: Path, open_source: Open, kind: type) -> None:
    source = open_source(npz(tmp_path / "a.npz", x=pixels(12), y=np.eye(2)[LABELS].astype(kind)))
    assert {record.key[1]: record.label for records in source.splits.values() for record in records} == {
        n: str(label) for n, label in enumerate(LABELS)
    }
    soft = np.eye(2)[LABELS] * 0.8 + 0.1
    with pytest.raises(DatasetInvalid, match="not one-hot"):
        open_source(npz(tmp_path / "b.npz", x=pixels(12), y=soft))


@pytest.mark.parametrize("kind", [np.uint8, np.int64, bool])
def test_pixels_of_zero_and_one_are_black_and_white(tmp_path: Path, open_source: Open, kind: type) -> None:
    stored = pixels(12) > 127
    dataset = open_source(npz(tmp_path / "a.npz", x=stored.astype(kind), y=LABELS)).decode(8)
    assert set(np.unique(dataset.train.images.numpy())) == {0, 255}
    assert any(warning.code == warning_codes.PIXELS_SCALED for warning in dataset.warnings)


def test_dark_pixels_are_told(tmp_path: Path, open_source: Open) -> None:
    source = open_source(npz(tmp_path / "a.npz", x=pixels(12) // 16, y=LABELS))
    assert any(warning.code == warning_codes.PIXELS_DARK for warning in source.warnings)


def test_an_npz_packed_by_bzip2_is_refused(tmp_path: Path, open_source: Open) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", bytes(1000))
    with pytest.raises(DatasetInvalid, match="compression method 12"):
        open_source(tmp_path / "a.npz")


def test_npz_without_its_extension(tmp_path: Path, open_source: Open) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=pixels(12), y=LABELS)
    (tmp_path / "download").write_bytes(buffer.getvalue())
    assert open_source(tmp_path / "download").format == "npz"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"<!DOCTYPE html>", "web page"),
        (b"(\xb5/\xfd", "Zstandard"),
    ],
)
def test_other_archives_are_named(tmp_path: Path, open_source: Open, start: bytes, what: str) -> None:
    (tmp_path / "set.bin").write_bytes(start + bytes(600))
    with pytest.raises(DatasetInvalid, match=what):
        open_source(tmp_path / "set.bin")
