"""The complete CIFAR-100 test set and real photographs, from the folder of shared data beside the checkout."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset, Source

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
# sha256 of the N x 3072 uint8 matrix in the official order, from DATA / SOURCES.md.
CIFAR100_TEST = "83c56492b2c11211ad1bb2dbd4f2eef4170a0441e41a41f3039c3144b1f5a511"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real images of shared/data are not beside this checkout"),
]


def test_cifar100_arrives_bit_by_bit(
    open_source: Callable[..., Source], by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]]
) -> None:
    source = open_source(DATA / "cifar100_test_webp.zip")
    assert (source.native_size, len(source.classes)) == ((32, 32), 100)
    dataset = source.decode(32)
    found = by_name(dataset)
    order = sorted(found, key=lambda name: Path(name).stem)
    matrix = np.stack([found[name][1].reshape(-1) for name in order])
    assert matrix.shape == (10_000, 3072)
    assert hashlib.sha256(matrix.tobytes()).hexdigest() == CIFAR100_TEST
    assert all(label == name.split("/")[1] for name, (label, _, _) in found.items())


def test_photographs_of_many_sizes(open_source: Callable[..., Source]) -> None:
    source = open_source(DATA / "hymenoptera_224px_jpeg.zip")
    assert (source.classes, source.num_test) == (("ants", "bees"), 153)
    assert source.native_size[0] == 224
    dataset = source.decode(112)
    assert dataset.canvas_size == 112, "photographs are decoded without a margin"
    assert dataset.test.images.shape == (153, 3, 112, 112)
    assert dataset.facts.num_unreadable == 0
