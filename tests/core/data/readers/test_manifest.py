"""CSV and JSONL tables of images."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset, Source
from core.errors import DatasetInvalid
from tests.core.data.conftest import Encode

Open = Callable[..., Source]


def write_manifest(path: Path, rows: list[dict[str, object]]) -> None:
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
        return
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("extension", ["csv", "jsonl"])
@pytest.mark.parametrize("whole_folder", [True, False])
def test_manifest(
    tmp_path: Path,
    open_source: Open,
    encode: Encode,
    extension: str,
    whole_folder: bool,
    by_name: Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]],
    pixels: Callable[[bytes], np.ndarray],
) -> None:
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for i in range(12):
        (root / "images" / f"{i}.png").write_bytes(encode(i))
        rows.append({"path": f"images/{i}.png", "label": "ab"[i % 2], "split": "test" if i >= 8 else "train"})
    write_manifest(root / f"labels.{extension}", rows)
    source = open_source(root if whole_folder else root / f"labels.{extension}")
    assert (source.format, source.num_test) == (extension, 4)
    for name, (label, image, _) in by_name(source.decode(8)).items():
        index = int(Path(name).stem)
        assert label == "ab"[index % 2]
        assert np.array_equal(image, pixels(encode(index)))


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../secret.png", "..\\secret.png"])
def test_a_manifest_may_not_climb_out(tmp_path: Path, open_source: Open, encode: Encode, path: str) -> None:
    (tmp_path / "secret.png").write_bytes(encode(0))
    (tmp_path / "set").mkdir()
    write_manifest(tmp_path / "set" / "m.csv", [{"path": path, "label": "a"}, {"path": path, "label": "b"}])
    with pytest.raises(DatasetInvalid, match=r"line 2: the path .* below the table's folder"):
        open_source(tmp_path / "set" / "m.csv")


def test_a_manifest_that_names_a_missing_file(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    rows = [{"path": f"{i}.png", "label": "ab"[i % 2]} for i in range(8)]
    for row in rows[1:]:
        (tmp_path / str(row["path"])).write_bytes(encode(1))
    write_manifest(tmp_path / "m.csv", rows)
    with pytest.raises(DatasetInvalid, match=r"1 of 8 images cannot be read: 0\.png"):
        open_source(tmp_path / "m.csv").decode(8)


def test_a_manifest_without_the_label_column(tmp_path: Path, open_source: Open) -> None:
    write_manifest(tmp_path / "m.csv", [{"path": "1.png", "lable": "a", "colour": "red"}])
    with pytest.raises(DatasetInvalid, match=r"'m.csv': unknown column 'label'. Did you mean 'lable'.*'colour'"):
        open_source(tmp_path / "m.csv")
