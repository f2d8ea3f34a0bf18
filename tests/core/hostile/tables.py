"""Tables that are hostile, broken or odd. What is wanted of a readable one: class -> images."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.core.hostile.entry import BOTH, PHOTOS, Corpus, png

TABLES = Corpus()
MiB = 1 << 20
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
ROWS = [(name, name.split("/")[0]) for name in PHOTOS]
FLAT = {name.replace("/", "-"): data for name, data in PHOTOS.items()}
LINES = "".join(f"{name.replace('/', '-')},{label}\n" for name, label in ROWS)


def zipped(files: Mapping[str, bytes | str], level: int = 6) -> bytes:
    """A zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def beside(name: str, table: bytes | str, images: Mapping[str, bytes] = FLAT) -> bytes:
    """A zip of images and a table."""
    return zipped({**images, name: table})


def parquet(images: Any = None, labels: Any = None, **options: Any) -> bytes:
    """A parquet file of PHOTOS, or of other columns."""
    images = pa.array([{"bytes": data, "path": None} for data in PHOTOS.values()], IMAGE) if images is None else images
    labels = pa.array([label for _, label in ROWS]) if labels is None else labels
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": images, "label": labels}), buffer, **options)
    return buffer.getvalue()


def many_rows(count: int) -> bytes:
    """A parquet file of so many rows that are all null."""
    buffer = io.BytesIO()
    schema = pa.schema([("image", pa.binary()), ("label", pa.int8())])
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        batch = pa.table({"image": pa.nulls(1_000_000, pa.binary()), "label": pa.nulls(1_000_000, pa.int8())})
        for _ in range(count // 1_000_000):
            writer.write_table(batch, row_group_size=1_000_000)
    return buffer.getvalue()


def repeated(rows: int, value: bytes) -> Any:
    """An array of one value, as a dictionary in memory as well."""
    indices = pa.array(np.zeros(rows, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array([value]))


def images_repeated(rows: int, size: int) -> bytes:
    """A parquet file whose rows all name one image of `size` bytes."""
    labels = pa.array(["ants", "bees"] * (rows // 2))
    return parquet(repeated(rows, bytes(size)), labels, dictionary_pagesize_limit=1 << 30)


def texts_repeated(rows: int, size: int) -> bytes:
    """A parquet file whose rows all have one label of `size` characters."""
    images = repeated(rows, png())
    label = pa.DictionaryArray.from_arrays(
        pa.array(np.arange(rows, dtype=np.int32) % 2), pa.array(["a" * size, "b" * size])
    )
    return parquet(images, label, dictionary_pagesize_limit=1 << 30)


def _texts(add: Callable[..., None]) -> None:
    head = "image,label\n"
    add("csv: as it should be", lambda: beside("labels.csv", head + LINES), BOTH)
    add("csv: 10 million rows", lambda: beside("labels.csv", head + "a,b\n" * 10_000_000))
    add("csv: 60 million empty lines", lambda: beside("labels.csv", head + "\n" * 60_000_000))
    add("csv: 30 million form feeds", lambda: beside("labels.csv", head + "\f" * 30_000_000))
    add("csv: one line of 40 million cells", lambda: beside("labels.csv", "," * 40_000_000))
    add("csv: its own delimiter", lambda: beside("labels.csv", "sep=a\n" + "a" * 30_000_000))
    add(
        "csv: a header of 20,000 columns and rows of one",
        lambda: beside("labels.csv", ",".join(f"c{n}" for n in range(20_000)) + "\n" + "x\n" * 100_000),
    )
    add("csv: a cell of 50 MB", lambda: beside("labels.csv", head + '"' + "x" * 50_000_000 + '",a\n'))
    add("csv: a quote that never ends", lambda: beside("labels.csv", head + '"' + LINES * 100))
    add("csv: UTF-16 without a mark", lambda: zipped({**FLAT, "labels.csv": (head + LINES).encode("utf-16-le")}))
    add("csv: NUL", lambda: beside("labels.csv", head + LINES.replace("ants", "a\0nts")))
    for why, path in (
        ("up", "../../../etc/passwd"),
        ("absolute", "/etc/passwd"),
        ("Windows", "C:\\x.png"),
        ("an address", "http://127.0.0.1:1/x.png"),
        ("file:", "file:///etc/passwd"),
    ):
        add(f"csv: a path, {why}", lambda path=path: beside("labels.csv", f"{head}{path},ants\n{LINES}"))
    add(
        "csv: a formula as a class",
        lambda: beside("labels.csv", head + LINES.replace(",ants", ",=cmd|'/c calc'!A0")),
        {"=cmd|'/c calc'!A0": 4, "bees": 4},
    )
    add(
        "csv: numbers of 5,000 digits",
        lambda: beside("labels.csv", head + LINES.replace(",ants", "," + "9" * 500 + ".0").replace(",bees", ",2.0")),
        {"9" * 500: 4, "2": 4},
    )
    add("csv: 1e999", lambda: beside("labels.csv", head + LINES.replace(",ants", ",1e999").replace(",bees", ",2")))
    add("list: 20 million lines", lambda: beside("train.txt", "x\n" * 20_000_000, PHOTOS))
    add("list: paths that lead out", lambda: beside("test.txt", "../../etc/passwd\n" * 8, PHOTOS))


def _json(add: Callable[..., None]) -> None:
    add(
        "json: as it should be",
        lambda: beside("labels.json", json.dumps([{"image": n.replace("/", "-"), "label": c} for n, c in ROWS])),
        BOTH,
    )
    add("json: depth 1 million", lambda: beside("labels.json", "[" * 1_000_000 + "]" * 1_000_000))
    add("json: 30 million objects", lambda: beside("labels.json", "[" + "{}," * 30_000_000 + "{}]"))
    add("json: 60 million numbers", lambda: beside("labels.json", "[" + "0," * 60_000_000 + "0]"))
    add(
        "json: a number of 1 million digits",
        lambda: beside("labels.json", '[{"image":"ants-0.png","label":' + "9" * 1_000_000 + "}]"),
    )
    add("json: 1e999 as a class", lambda: beside("labels.json", '[{"image":"ants-0.png","label":1e999}]'))
    add(
        "json: every row its own key",
        lambda: beside("labels.json", "[" + ",".join(f'{{"k{n}":1}}' for n in range(60_000)) + "]"),
    )
    add(
        "json: a lone surrogate as a class",
        lambda: beside(
            "labels.json", json.dumps([{"image": n.replace("/", "-"), "label": "\ud800" + c} for n, c in ROWS])
        ),
    )
    add(
        "json: lists as classes",
        lambda: beside("labels.json", json.dumps([{"image": n.replace("/", "-"), "label": [c]} for n, c in ROWS])),
    )
    add("jsonl: 12 million objects", lambda: beside("labels.jsonl", "{}\n" * 12_000_000))
    add("jsonl: a line of depth 1 million", lambda: beside("labels.jsonl", "[" * 1_000_000))


def _parquet(add: Callable[..., None]) -> None:
    def told(name: str, content: Callable[[], bytes], wanted: Any = None) -> None:
        add(f"parquet: {name}", content, wanted, "data.parquet")

    told("as it should be", parquet, BOTH)
    told("60 million rows", lambda: many_rows(60_000_000))
    told("2 million rows without images", lambda: many_rows(2_000_000))
    told("1,000 rows of one image of 4 MiB", lambda: images_repeated(1000, 4 * MiB))
    told("1 million labels of 1 MiB", lambda: texts_repeated(1_000_000, MiB))
    told("labels that are lists", lambda: parquet(labels=pa.array([[1, 2]] * 8)))
    told("labels that are objects", lambda: parquet(labels=pa.array([{"a": 1}] * 8)))
    told("labels that are bytes", lambda: parquet(labels=pa.array([b"\xff"] * 8)))
    told("images that are numbers", lambda: parquet(images=pa.array(range(8))))
    told(
        "images that are paths alone",
        lambda: parquet(images=pa.array([{"bytes": None, "path": "/etc/passwd"}] * 8, IMAGE)),
    )
    told("cut", lambda: parquet()[:-50])
    told("a footer of 2**31 bytes", lambda: parquet()[:-8] + struct.pack("<L", 2**31 - 1) + b"PAR1")
    told("a footer of zeros", lambda: b"PAR1" + bytes(100) + struct.pack("<L", 100) + b"PAR1")
    told("a bit flipped in a page", lambda: flipped(parquet(compression="none"), 60))
    told("metadata that is no JSON", lambda: parquet_with_metadata(b"{" * 100_000), BOTH)
    told(
        "metadata of 3 million names",
        lambda: parquet_with_metadata(
            json.dumps({"info": {"features": {"label": {"names": ["x"] * 3_000_000}}}}).encode()
        ),
        BOTH,
    )


def parquet_with_metadata(value: bytes) -> bytes:
    """PHOTOS with metadata of `datasets`."""
    table = pq.read_table(io.BytesIO(parquet())).replace_schema_metadata({b"huggingface": value})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    """The data with a byte changed."""
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


def _add_all() -> None:
    def add(name: str, content: Callable[[], bytes], wanted: Any = None, file_name: str = "photos.zip") -> None:
        TABLES.add_bytes(name, file_name, content, wanted)

    for group in (_texts, _json, _parquet):
        group(add)


_add_all()
