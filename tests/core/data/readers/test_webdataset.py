"""WebDataset shards, one or many."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset, Source
from core.errors import DatasetInvalid
from tests.core.data.conftest import Encode

Open = Callable[..., Source]


@pytest.mark.parametrize("label", ["cls", "txt", "json"])
@pytest.mark.parametrize("sharded", [True, False])
def test_webdataset(
    tmp_path: Path,
    open_source: Open,
    encode: Encode,
    label: str,
    sharded: bool,
    by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]],
    pixels: Callable[[bytes], np.ndarray],
    make_tar: Callable[[Path, dict[str, bytes]], Path],
) -> None:
    def text(index: int) -> bytes:
        return json.dumps({"label": f"k{index % 2}"}).encode() if label == "json" else f"k{index % 2}\n".encode()

    def members(start: int, count: int) -> dict[str, bytes]:
        pairs = [(f"{i:04}.webp", encode(i, "WEBP"), f"{i:04}.{label}", text(i)) for i in range(start, start + count)]
        return {
            name: data for image, encoded, side, written in pairs for name, data in ((image, encoded), (side, written))
        }

    if sharded:
        (tmp_path / "shards").mkdir()
        for name, start, count in (("train-000000", 0, 6), ("train-000001", 6, 6), ("val-000000", 12, 4)):
            make_tar(tmp_path / "shards" / f"{name}.tar", members(start, count))
        source = open_source(tmp_path / "shards")
        assert source.num_test == 4
        assert set(source.decode(8).test.names) == {f"val-000000.tar/{i:04}" for i in range(12, 16)}
    else:
        source = open_source(make_tar(tmp_path / "set.tar", members(0, 12)))
    found = by_name(source.decode(8))
    assert source.format == "webdataset"
    for name, (kind, image, _) in found.items():
        index = int(name.rpartition("/")[2])
        assert kind == f"k{index % 2}"
        assert np.array_equal(image, pixels(encode(index, "WEBP")))


def test_webdataset_image_without_label_is_named(
    tmp_path: Path, open_source: Open, encode: Encode, make_tar: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    make_tar(tmp_path / "set.tar", {"1.png": encode(1), "1.cls": b"0", "2.png": encode(2)})
    with pytest.raises(DatasetInvalid, match=r"'2\.png' has no \.cls"):
        open_source(tmp_path / "set.tar")
