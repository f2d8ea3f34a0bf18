"""CIFAR in python and binary form; a pickle may not call anything."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import Source
from core.data.readers.cifar import load_arrays
from core.errors import DatasetInvalid

Open = Callable[..., Source]


def cifar_rows(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


@pytest.mark.parametrize("packing", ["folder", "tar.gz"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_cifar10_python(
    tmp_path: Path, open_source: Open, packing: str, protocol: int, make_tar: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    names = [b"airplane", b"truck"]
    members = {"batches.meta": pickle.dumps({b"label_names": names}, protocol)}
    labels = [0, 1] * 3
    for number in range(1, 6):
        batch = {b"data": cifar_rows(number, 6), b"labels": labels, b"filenames": [b"x.png"] * 6}
        members[f"data_batch_{number}"] = pickle.dumps(batch, protocol)
    members["test_batch"] = pickle.dumps({b"data": cifar_rows(9, 6), b"labels": labels}, protocol)
    where = put(make_tar, tmp_path, "cifar-10-batches-py", members, packing)
    source = open_source(where)
    assert (source.format, source.num_train + source.num_validation, source.num_test) == ("cifar-python", 30, 6)
    dataset = source.decode(32)
    assert dataset.classes == ("airplane", "truck")
    assert np.array_equal(dataset.test.images.numpy().reshape(6, 3072), cifar_rows(9, 6))
    assert dataset.test.labels.tolist() == labels


def test_cifar100_python_uses_fine_labels(
    tmp_path: Path, open_source: Open, make_tar: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    members = {"meta": pickle.dumps({"fine_label_names": ["apple", "bear", "cup"], "coarse_label_names": ["x"]})}
    for split, count in (("train", 9), ("test", 6)):
        fine = [i % 3 for i in range(count)]
        members[split] = pickle.dumps({b"data": cifar_rows(count, count), b"fine_labels": fine, b"coarse_labels": fine})
    dataset = open_source(put(make_tar, tmp_path, "cifar-100-python", members, "tar.gz")).decode(32)
    assert dataset.classes == ("apple", "bear", "cup")
    assert dataset.test.labels.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("num_labels", [1, 2])
def test_cifar_binary(
    tmp_path: Path, open_source: Open, num_labels: int, make_tar: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    def rows(seed: int) -> bytes:
        labels = np.stack([np.full(6, 7), np.arange(6) % 2], 1)[:, -num_labels:].astype(np.uint8)
        return np.concatenate([labels, cifar_rows(seed, 6)], 1).tobytes()

    ten = num_labels == 1
    members = {"batches.meta.txt" if ten else "fine_label_names.txt": b"plane\ncar\n\n"}
    members |= {f"{'data_batch_1' if ten else 'train'}.bin": rows(1), f"{'test_batch' if ten else 'test'}.bin": rows(2)}
    source = open_source(put(make_tar, tmp_path, "cifar", members, "tar.gz"))
    assert source.format == "cifar-binary"
    dataset = source.decode(32)
    assert dataset.classes == ("car", "plane")
    assert np.array_equal(dataset.test.images.numpy().reshape(6, 3072), cifar_rows(2, 6))
    assert dataset.test.labels.tolist() == [1, 0, 1, 0, 1, 0]


def test_truncated_cifar_binary_is_named(
    tmp_path: Path, open_source: Open, make_tar: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    members = {"data_batch_1.bin": bytes(3073 * 2 - 1), "test_batch.bin": bytes(3073)}
    with pytest.raises(DatasetInvalid, match=r"data_batch_1.bin' has 6145 bytes"):
        open_source(put(make_tar, tmp_path, "cifar", members, "folder"))


def put(make_tar: Any, tmp_path: Path, name: str, members: dict[str, bytes], packing: str) -> Path:
    if packing == "tar.gz":
        return make_tar(tmp_path / f"{name}.tar.gz", {f"{name}/{key}": data for key, data in members.items()})
    (tmp_path / name).mkdir()
    for key, data in members.items():
        (tmp_path / name / key).write_bytes(data)
    return tmp_path / name


class Canary:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def test_a_malicious_cifar_pickle_runs_nothing(
    tmp_path: Path, open_source: Open, make_tar: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    canary = tmp_path / "canary"
    members = {"data_batch_1": pickle.dumps({b"data": Canary(str(canary)), b"labels": []}), "test_batch": b""}
    with pytest.raises(DatasetInvalid, match=r"data_batch_1.*io open"):
        open_source(put(make_tar, tmp_path, "cifar", members, "folder"))
    assert not canary.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"c_codecs\nencode\n(Vx\nVzlib\ntR.",
    ],
)
def test_a_pickle_that_names_anything_else_is_refused(program: bytes) -> None:
    with pytest.raises(DatasetInvalid, match=r"asks for|calls"):
        load_arrays(program, "batch")
