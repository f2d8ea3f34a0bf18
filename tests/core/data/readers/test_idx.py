"""The files of MNIST and its relatives."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import DatasetInvalid

RANDOM = np.random.default_rng(0)
PARTS = {"train": 20, "t10k": 8}


def idx(values: np.ndarray) -> bytes:
    return struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def mnist(folder: Path, ending: str = "", names: dict[str, int] | None = None) -> dict[str, np.ndarray]:
    """Files as MNIST's authors name them; the images by part."""
    images = {}
    folder.mkdir(exist_ok=True)
    for part, count in (names or PARTS).items():
        images[part] = RANDOM.integers(0, 256, (count, 8, 6), dtype=np.uint8)
        labels = (np.arange(count) % 2).astype(np.uint8)
        for name, values in ((f"{part}-images-idx3-ubyte", images[part]), (f"{part}-labels-idx1-ubyte", labels)):
            data = idx(values)
            (folder / (name + ending)).write_bytes(gzip.compress(data) if ending else data)
    return images


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_files_of_mnist(
    tmp_path: Path, ending: str, open_source: Callable[..., Any], by_name: Callable[..., Any]
) -> None:
    images = mnist(tmp_path / "set", ending)
    source = open_source(tmp_path / "set", validation_fraction=0.2)
    assert (source.format, source.classes, source.native_size) == ("idx", ("0", "1"), (8, 6))
    assert source.num_train + source.num_validation == 20 and source.num_test == 8
    assert not source.flippable
    record = next(record for record in source.splits["test"] if record.name.endswith("#3"))
    np.testing.assert_array_equal(source.listing.read(record.key), images["t10k"][3])
    assert record.label == "1"
    assert by_name(source.decode(8))[record.name][2] == "test"


def test_the_names_of_emnist(tmp_path: Path, open_source: Callable[..., Any]) -> None:
    mnist(tmp_path / "set", ".gz", {"emnist-balanced-train": 20, "emnist-balanced-test": 6})
    source = open_source(tmp_path / "set")
    assert source.num_test == 6 and source.num_train + source.num_validation == 20


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("train-images-idx3-ubyte", lambda data: data[:-1]),
        ("train-images-idx3-ubyte", lambda data: data[:5]),
        ("train-images-idx3-ubyte", lambda data: data[:4] + b"\xff" * 12 + data[16:]),
        ("train-images-idx3-ubyte", lambda data: b"\0\0\x0d\3" + data[4:]),
        ("train-labels-idx1-ubyte", lambda data: idx(np.zeros(7, dtype=np.uint8))),
        ("train-labels-idx1-ubyte", lambda data: b"<html>"),
        ("train-images-idx3-ubyte", lambda data: gzip.compress(data)[:-9]),
    ],
)
def test_damaged_files_are_named(
    tmp_path: Path, name: str, change: Callable[[bytes], bytes], open_source: Callable[..., Any]
) -> None:
    mnist(tmp_path / "set")
    path = tmp_path / "set" / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DatasetInvalid, match=r"train-(images|labels)"):
        open_source(tmp_path / "set")


def test_images_without_labels_are_refused(tmp_path: Path, open_source: Callable[..., Any]) -> None:
    mnist(tmp_path / "set")
    (tmp_path / "set/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetInvalid, match="t10k-labels-idx1-ubyte"):
        open_source(tmp_path / "set")
