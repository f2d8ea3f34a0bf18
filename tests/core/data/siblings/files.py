"""Files of many images, files that are no images, class names, and archives."""

# a layout is one expression, however long

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.core.data.siblings.layouts import AB, Files, Layouts, class_folders, image, images, tree
from tests.core.data.siblings.lists import food

LAYOUTS = Layouts()


def par(n: int, labels: Sequence[Any] = (0, 1)) -> bytes:
    t = pa.table(
        {
            "image": [{"bytes": image(), "path": None} for _ in range(n)],
            "label": [labels[i % len(labels)] for i in range(n)],
        }
    )
    b = io.BytesIO()
    pq.write_table(t, b)
    return b.getvalue()


LAYOUTS.add(
    "hf_data_splits",
    {"data/train-00000-of-00001.parquet": par(30), "data/test-00000-of-00001.parquet": par(10), "README.md": "---\n"},
    ("0", "1"),
    30,
    10,
)
LAYOUTS.add(
    "hf_configs",
    {
        f"{c}/{s}-00000-of-00001.parquet": par(n)
        for c in ("plain", "augmented")
        for s, n in (("train", 30), ("test", 10))
    },
    None,
)
LAYOUTS.add(
    "hf_configs_prefix",
    {f"data/{c}-{s}.parquet": par(n) for c in ("plain", "augmented") for s, n in (("train", 30), ("test", 10))},
    None,
)
LAYOUTS.add(
    "hf_default_config",
    {f"default/{s}/0000.parquet": par(n) for s, n in (("train", 30), ("test", 10))},
    ("0", "1"),
    30,
    10,
)
LAYOUTS.add("hf_dictionary_test", {"x_train.parquet": par(30), "x_test.parquet": par(10)}, ("0", "1"), 30, 10)
LAYOUTS.add("hf_label_strings", {"train.parquet": par(30, AB), "test.parquet": par(10, AB)}, AB, 30, 10)
LAYOUTS.add(
    "hf_float_labels", {"train.parquet": par(30, (1.0, 2.0)), "test.parquet": par(10, (1, 2))}, ("1", "2"), 30, 10
)


def shard(n: int, ext: str = "cls", start: int = 0, labels: Sequence[Any] = (0, 1)) -> bytes:
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode="w") as t:
        for i in range(start, start + n):
            for nm, d in ((f"{i:06}.jpg", image("JPEG")), (f"{i:06}.{ext}", str(labels[i % 2]).encode())):
                info = tarfile.TarInfo(nm)
                info.size = len(d)
                t.addfile(info, io.BytesIO(d))
    return b.getvalue()


LAYOUTS.add(
    "wds_splits",
    {"shards/imagenet-train-000000.tar": shard(30), "shards/imagenet-val-000000.tar": shard(10)},
    ("0", "1"),
    30,
    10,
)
LAYOUTS.add(
    "wds_trainval",
    {"a-train-000000.tar": shard(30), "a-train-000001.tar": shard(10, start=30), "a-test-000000.tar": shard(10)},
    ("0", "1"),
    40,
    10,
)
LAYOUTS.add(
    "wds_noise",
    {"a-000000.tar": shard(30), "a-000001.tar": shard(10, start=30), "Thumbs.db": b"x", "@eaDir/a-000000.tar": b"x"},
    ("0", "1"),
    40,
    None,
)
# tfds-like
LAYOUTS.add(
    "tfds",
    {
        "ants/1.0.0/ants-train.tfrecord-00000-of-00001": b"\x10\0\0\0\0\0\0\0abcd",
        "ants/1.0.0/dataset_info.json": "{}",
        "ants/1.0.0/features.json": "{}",
    },
    None,
)
LAYOUTS.add(
    "tfds_image_classification", tree(class_folders("split1/train/"), class_folders("split1/test/", 8)), AB, 40, 16
)
# mnist csv, idx
LAYOUTS.add(
    "mnist_csv",
    {
        "mnist_train.csv": "label,"
        + ",".join(f"{r}x{c}" for r in range(4) for c in range(4))
        + "\n"
        + "".join(f"{i % 2}," + ",".join("7" * 1 for _ in range(16)) + "\n" for i in range(40))
    },
    None,
)


def idx(a: Any) -> bytes:
    return struct.pack(">HBB", 0, 8, a.ndim) + b"".join(struct.pack(">I", x) for x in a.shape) + a.tobytes()


rng = np.random.default_rng(0)
fi = {}
for s, n in (("train", 40), ("t10k", 16)):
    fi[f"{s}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 8, 8), dtype=np.uint8))
    fi[f"{s}-labels-idx1-ubyte"] = idx(np.arange(n, dtype=np.uint8) % 2)
LAYOUTS.add("fashion_idx", fi, ("0", "1"), 40, 16)
LAYOUTS.add("fashion_idx_gz", {k + ".gz": gzip.compress(v) for k, v in fi.items()}, ("0", "1"), 40, 16)
f = class_folders("")
f.update({f"ants/h{i}.HEIC": b"\0\0\0\x18ftypheic\0\0\0\0" for i in range(5)})
LAYOUTS.add("heic", f, AB, 40, None)
f = class_folders("")
f["ants/anim.gif"] = image("GIF")
LAYOUTS.add("gif", f, AB, 41, None)
f = class_folders("")
f["ants/p.jpg"] = image("PNG")
LAYOUTS.add("jpg_is_png", f, AB, 41, None)
f = class_folders("")
f["ants/p.jpg"] = b"<html><body>404</body></html>"
LAYOUTS.add("jpg_is_html", f, None)
f = class_folders("")
f["ants/p.jpg"] = b""
LAYOUTS.add("zero_byte", f, None)
f = class_folders("")
f.update(
    {
        "Thumbs.db": b"x",
        "ants/Thumbs.db": b"x",
        "ants/desktop.ini": b"x",
        "@eaDir/ants/SYNOPHOTO_THUMB_M.jpg": image("JPEG"),
        "ants/.ipynb_checkpoints/a-checkpoint.jpg": image("JPEG"),
        ".ipynb_checkpoints/b.jpg": image("JPEG"),
        "ants/@eaDir/a_000.jpg/SYNOFILE_THUMB_M.jpg": image("JPEG"),
    }
)
LAYOUTS.add("litter", f, AB, 40, None)
f = class_folders("")
f["ants/b (1).jpg"] = image("JPEG")
f["ants/Kopie von a.jpg"] = image("JPEG")
LAYOUTS.add("copies", f, AB, 42, None)
f = class_folders("", 20, ".ppm")
LAYOUTS.add("all_ppm", f, AB, 40, None)
f = class_folders("")
f["bees.zip"] = b"PK\3\4"
LAYOUTS.add("zip_beside", f, AB, 40, None)
f = class_folders("", 20, ".JPG")
LAYOUTS.add("caps_ext", f, AB, 40, None)
f = tree(class_folders("", 20), {"ants/a.jpg.tmp": image("JPEG"), "ants/.a.jpg.swp": b"x"})
LAYOUTS.add("tmp_files", f, AB, 40, None)
f = class_folders("set/")
f["set/__pycache__/x.pyc"] = b"x"
f["set/data.py"] = "x"
f["set/.git/HEAD"] = "ref"
LAYOUTS.add("git_repo", f, AB, 40, None)
f = tree(*(images(f"{c}/", 10) for c in ("caf\u00e9", "bees")))
f.update(images("cafe\u0301/", 10, start=50))
LAYOUTS.add("nfc_nfd", f, ("bees", "caf\u00e9"), 30, None)
f = tree(
    *(images(f"train/{c}/", 10) for c in ("caf\u00e9", "bees")),
    *(images(f"test/{c}/", 5) for c in ("cafe\u0301", "bees")),
)
LAYOUTS.add("nfc_nfd_splits", f, ("bees", "caf\u00e9"), 20, 10)
f = tree(*(images(f"{c}/", 10) for c in ("1", "2", "10")))
LAYOUTS.add("numbers", f, ("1", "2", "10"), 30, None)
f = tree(*(images(f"{c}/", 10) for c in ("1.0", "1", "2")))
LAYOUTS.add("1.0_and_1_folders", f, None)
f = tree(*(images(f"{c}/", 10) for c in ("golden_retriever", "golden retriever", "x")))
LAYOUTS.add("underscore_space", f, None)
f = tree(*(images(f"{c}/", 10) for c in ("stra\u00dfe", "strasse", "x")))
LAYOUTS.add("eszett", f, None)
f = tree(*(images(f"{c}/", 10) for c in ("ﬁsh", "fish", "x")))
LAYOUTS.add("ligature", f, None)
f = tree(*(images(f"{c}/", 10) for c in ("A", "a", "b")))
LAYOUTS.add("letters_case", f, ("A", "a", "b"), 30, None, may_refuse=True)
f = tree(*(images(f"{c}/", 10) for c in ("item-9", "item-10")))
LAYOUTS.add("natural", f, ("item-10", "item-9"), 20, None)
f = tree(*(images(f"{c}/", 10) for c in ("Ants", "bees")))
f.update(images("ANTS/", 5))
LAYOUTS.add("caps_twins", f, None)
f = tree(*(images(f"{c}/", 10) for c in ("ants\u200b", "ants", "bees")))
LAYOUTS.add("zero_width", f, AB, 30, None)


# archives
def pack(files: Files, kind: str) -> bytes:
    b = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
            for k, v in files.items():
                z.writestr(k, v)
    else:
        with tarfile.open(fileobj=b, mode="w" + kind) as t:
            for k, v in files.items():
                v = v if isinstance(v, bytes) else v.encode()
                i = tarfile.TarInfo(k)
                i.size = len(v)
                t.addfile(i, io.BytesIO(v))
    return b.getvalue()


LAYOUTS.add("zip_in_zip.zip", pack({"data/images.zip": pack(class_folders(""), "zip")}, "zip"), None)
LAYOUTS.add(
    "zip_in_zip_readme.zip",
    pack({"data/images.zip": pack(class_folders(""), "zip"), "data/cover.jpg": image("JPEG"), "README.md": "x"}, "zip"),
    None,
)
LAYOUTS.add("set.tar.xz", pack(class_folders(""), ":xz"), AB, 40, None)
LAYOUTS.add("set.tar.bz2", pack(class_folders(""), ":bz2"), AB, 40, None)
LAYOUTS.add("set.tar.zst", b"\x28\xb5\x2f\xfd" + b"x" * 99, None)
LAYOUTS.add("set.tgz", pack(class_folders("set/"), ":gz"), AB, 40, None)
LAYOUTS.add("food.zip", pack(food(), "zip"), AB, 28, 12, may_refuse=True)
LAYOUTS.add("set.7z", b"7z\xbc\xaf\x27\x1c" + b"x" * 99, None)
