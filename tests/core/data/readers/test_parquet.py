"""Parquet as `datasets` writes it, with and without class names."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.dataset import Dataset, Source
from core.errors import DatasetInvalid
from tests.core.data.conftest import Encode

Open = Callable[..., Source]


HF_FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": ["ant", "bee", "unused"], "_type": "ClassLabel"},
}


def hf_table(
    images: list[bytes], labels: list, *, struct: bool = True, features: dict | None = HF_FEATURES
) -> pa.Table:
    column = [{"bytes": data, "path": None} for data in images] if struct else images
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if struct else pa.binary()
    table = pa.table({"image": pa.array(column, kind), "label": pa.array(labels)})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    return table.replace_schema_metadata(metadata)


@pytest.mark.parametrize("struct", [True, False])
def test_parquet_of_hugging_face(
    tmp_path: Path,
    open_source: Open,
    encode: Encode,
    struct: bool,
    by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]],
    pixels: Callable[[bytes], np.ndarray],
) -> None:
    (tmp_path / "set" / "data").mkdir(parents=True)
    (tmp_path / "set" / "README.md").write_text("a card")
    images: dict[str, bytes] = {}
    for name, count in (("train-00000-of-00002", 6), ("train-00001-of-00002", 6), ("test-00000-of-00001", 4)):
        encoded = [encode(i + 100 * len(images), "JPEG") for i in range(count)]
        path = f"data/{name}.parquet"
        images |= {f"{path}#{i}": data for i, data in enumerate(encoded)}
        table = hf_table(encoded, [i % 2 for i in range(count)], struct=struct)
        pq.write_table(table, tmp_path / "set" / path, row_group_size=4)
    source = open_source(tmp_path / "set")
    assert (source.format, source.num_train + source.num_validation, source.num_test) == ("parquet", 12, 4)
    found = by_name(source.decode(8))
    assert {label for label, _, _ in found.values()} == {"ant", "bee"}
    for name, (label, image, _) in found.items():
        assert label == ("ant", "bee")[int(name.split("#")[1]) % 2]
        assert np.array_equal(image, pixels(images[name]))


def test_parquet_file_with_text_labels(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    table = hf_table([encode(i) for i in range(6)], ["cat", "dog"] * 3, features=None).rename_columns(["img", "kind"])
    pq.write_table(table, tmp_path / "animals.parquet")
    with pytest.raises(DatasetInvalid, match="unknown column 'image'"):
        open_source(tmp_path / "animals.parquet")
    source = open_source(tmp_path / "animals.parquet", image_column="img", label_column="kind")
    assert (source.classes, source.num_train) == (("cat", "dog"), 2)


def test_truncated_parquet_is_named(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    pq.write_table(hf_table([encode(1)], [0]), tmp_path / "whole.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:-20])
    with pytest.raises(DatasetInvalid, match=r"'cut.parquet' is no whole parquet file"):
        open_source(tmp_path / "cut.parquet")
