"""NumPy archives in both layouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset, Source
from core.errors import DatasetInvalid

Open = Callable[..., Source]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "gray", "float"])
def test_npz_pair(
    tmp_path: Path, open_source: Open, layout: str, by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    if layout == "gray":
        images = images[..., :1].repeat(3, -1)
    stored = {
        "NHWC": images,
        "NCHW": images.transpose(0, 3, 1, 2),
        "gray": images[..., 0],
        "float": (images / 255).astype(np.float32),
    }
    np.savez_compressed(tmp_path / "set.npz", images=stored[layout], labels=np.arange(12) % 2)
    found = by_name(open_source(tmp_path / "set.npz").decode(8))
    assert len(found) == 12
    for name, (label, image, _) in found.items():
        index = int(name.split("/")[1])
        assert label == str(index % 2)
        assert np.array_equal(image, images[index].transpose(2, 0, 1))


def test_npz_of_keras(tmp_path: Path, open_source: Open) -> None:
    randoms = np.random.default_rng(0)
    x_train, x_test = (randoms.integers(0, 256, (n, 8, 8), dtype=np.uint8) for n in (10, 4))
    np.savez(tmp_path / "m.npz", x_train=x_train, y_train=np.arange(10) % 2, x_test=x_test, y_test=np.arange(4) % 2)
    source = open_source(tmp_path / "m.npz")
    assert (source.num_train, source.num_validation, source.num_test) == (8, 2, 4)
    assert np.array_equal(source.decode(8).test.images[:, 0].numpy(), x_test)


def test_npz_with_a_pickle_inside_is_refused(tmp_path: Path, open_source: Open) -> None:
    np.savez(tmp_path / "bad.npz", x=np.array([print], dtype=object), y=np.arange(1))
    with pytest.raises(DatasetInvalid, match="pickle"):
        open_source(tmp_path / "bad.npz")


def test_npz_bomb_is_refused_before_it_is_read(tmp_path: Path, open_source: Open) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((25_000, 32, 32, 3), np.uint8), y=np.arange(25_000) % 2)
    with pytest.raises(DatasetInvalid, match="decompression bomb"):
        open_source(tmp_path / "bomb.npz")


def test_npz_says_which_arrays_it_wants(tmp_path: Path, open_source: Open) -> None:
    np.savez(tmp_path / "bad.npz", pictures=np.zeros((2, 8, 8)), tags=np.arange(2))
    with pytest.raises(DatasetInvalid, match=r"pictures, tags; wanted: x and y"):
        open_source(tmp_path / "bad.npz")
