"""Files told by content, counted where they are not used, and litter that belongs to no dataset."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import warning_codes
from core.data.dataset import Source
from core.data.file_kinds import extension, is_image_content
from core.data.litter import is_litter
from core.errors import ClassTooSmall, DatasetInvalid

Open = Callable[..., Source]
Make = Callable[..., Path]
Encode = Callable[..., bytes]


@pytest.mark.parametrize(
    ("end", "form"),
    [
        (".tif", "TIFF"), (".TIFF", "TIFF"), (".jfif", "JPEG"), (".jpe", "JPEG"), (".avif", "AVIF"), ("", "JPEG"),
        ("", "PNG"), ("", "WEBP"), ("", "GIF"), ("", "BMP"), ("", "TIFF"), ("", "AVIF"), (".jpg?size=large", "JPEG"),
        (".png&w=3", "PNG"), (".image", "PNG"), (".jpg_large", "JPEG"), (".1", "PNG"), (".jpg@2x", "JPEG"),
        (".dib", "BMP"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_images_by_content(
    tmp_path: Path, open_source: Open, encode: Encode, make_zip: Make, end: str, form: str, packed: bool
) -> None:
    members = {f"{name}/{n}{end}": encode(10 * n + len(name), form) for name in ("cat", "mouse") for n in range(4)}
    if packed:
        where = make_zip(tmp_path / "set.zip", members)
    else:
        where = tmp_path / "set"
        for name, data in members.items():
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            (where / name).write_bytes(data)
    dataset = open_source(where).decode(8)
    assert sum(len(part.names) for part in (dataset.train, dataset.validation, dataset.test)) == 8
    assert dataset.facts.passed_over == {}


def test_files_that_are_passed_over_are_counted(tmp_path: Path, open_source: Open, class_folders: Make) -> None:
    root = class_folders(tmp_path / "set", {"cat": 4, "dog": 4})
    for n in range(3):
        (root / "cat" / f"{n}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (root / "dog" / "notes.txt").write_text("x")
    (root / "dog" / "unknown").write_bytes(b"no image at all")
    (root / "dog" / ".secret.png").write_bytes(b"x")
    (root / "Thumbs.db").write_bytes(b"x")
    dataset = open_source(root).decode(8)
    told = [warning for warning in dataset.warnings if warning.code == warning_codes.FILES_PASSED_OVER]
    assert told[0].count == 6
    assert "3 x .heic" in told[0].message and "1 x hidden image" in told[0].message
    assert dataset.facts.passed_over == {
        ".heic": 3, ".txt": 1, "hidden image": 1, "no extension": 1, "litter of operating systems and tools": 1
    }  # fmt: skip


def test_a_class_of_unreadable_formats_says_what_is_there(
    tmp_path: Path, open_source: Open, class_folders: Make
) -> None:
    root = class_folders(tmp_path / "set", {"cat": 4, "dog": 4})
    (root / "eel").mkdir()
    for n in range(20):
        (root / "eel" / f"{n}.heic").write_bytes(b"x")
    with pytest.raises(ClassTooSmall, match=r"'eel' has no image: found 20 x \.heic"):
        open_source(root)


def test_an_empty_class_says_the_way_out(tmp_path: Path, open_source: Open, class_folders: Make) -> None:
    root = class_folders(tmp_path / "set", {"cat": 4, "dog": 4})
    (root / "eel").mkdir()
    with pytest.raises(ClassTooSmall, match="'eel' has no image: the folder is empty") as caught:
        open_source(root)
    assert "dataset.classes" in caught.value.hint


@pytest.mark.parametrize("folder", ["annotations", "docs", "test"])
def test_folders_of_texts_are_no_classes(tmp_path: Path, open_source: Open, class_folders: Make, folder: str) -> None:
    root = class_folders(tmp_path / "set", {"cat": 4, "dog": 4})
    (root / folder).mkdir()
    (root / folder / "a.json").write_text("{}")
    assert open_source(root).classes == ("cat", "dog")


LITTER = [
    "@eaDir/cat.png/SYNOPHOTO_THUMB_S.jpg", "._cat.png", "__MACOSX/cat/._0.png", "#recycle/0.png", "$RECYCLE.BIN/0.png",
    ".AppleDouble/0.png", "lost+found/0.png", ".ipynb_checkpoints/0-checkpoint.png", ".Trash-1000/files/0.png",
    "System Volume Information/0.png", ".thumbnails/0.png", "@Recycle/0.png", ".@__thumb/0.png", "#snapshot/0.png",
    ".git/0.png", "__pycache__/0.png",
]  # fmt: skip


@pytest.mark.parametrize("name", LITTER)
@pytest.mark.parametrize("place", ["", "cat/"])
@pytest.mark.parametrize("packing", ["folder", "zip", "tar"])
def test_litter_is_known_everywhere(
    tmp_path: Path, open_source: Open, encode: Encode, make_zip: Make, make_tar: Make,
    name: str, place: str, packing: str,
) -> None:  # fmt: skip
    members = {f"{label}/{n}.png": encode(n + len(label)) for label in ("cat", "mouse") for n in range(4)}
    members[place + name] = encode(99)
    if packing == "folder":
        where = tmp_path / "set"
        for path, data in members.items():
            (where / path).parent.mkdir(parents=True, exist_ok=True)
            (where / path).write_bytes(data)
    else:
        where = (make_zip if packing == "zip" else make_tar)(tmp_path / f"set.{packing}", members)
    source = open_source(where)
    assert source.classes == ("cat", "mouse")
    assert sum(map(len, source.splits.values())) == 8
    assert source.listing.passed_over == {"litter of operating systems and tools": 1}


def test_litter_beside_tables_and_archives(
    tmp_path: Path, open_source: Open, encode: Encode, make_zip: Make, make_tar: Make
) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8), y=np.arange(20) % 2)
    made = make_zip(tmp_path / "npz.zip", {"set.npz": buffer.getvalue(), "__MACOSX/._set.npz": b"\0\5"})
    assert open_source(made).format == "npz"
    shard = {f"{n}.{end}": data for n in range(8) for end, data in (("png", encode(n)), ("cls", str(n % 2).encode()))}
    (tmp_path / "shards").mkdir()
    make_tar(tmp_path / "shards" / "train-0.tar", shard | {"._0.png": b"\0\5"})
    (tmp_path / "shards" / "._train-0.tar").write_bytes(b"\0\5")
    assert sum(map(len, open_source(tmp_path / "shards").splits.values())) == 8


def test_a_class_folder_with_a_usual_name_is_no_litter() -> None:
    for name in ("cat/0.png", "recycle/0.png", "trash/0.png", "snapshot/0.png", "eaDir/0.png", "_cat/0.png"):
        assert not is_litter(name)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/b.JPG", ".jpg"),
        ("b.jpg?size=large", ".jpg"),
        ("b.tar.gz", ".gz"),
        ("b", ""),
        (".hidden", ""),
        ("v1.0#2.png", ".png"),
    ],
)
def test_the_extension_of_a_name(path: str, kind: str) -> None:
    assert extension(path) == kind


@pytest.mark.parametrize(
    "head", [b"", b"BM is a text", b"II", b"GIF", b"RIFF1234AVI ", b"\0\0\0\x18ftypmp42", b"%PDF-1.7"]
)
def test_what_is_no_image(head: bytes) -> None:
    assert not is_image_content(head)


def test_a_tiff_is_upright(tmp_path: Path, open_source: Open) -> None:
    for n, name in enumerate(("cat", "dog")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(3):
            pixels = np.zeros((8, 8, 3), np.uint8)
            pixels[:2] = 255 - 40 * i - n
            exif = Image.Exif()
            exif[0x0112] = 6  # to be turned by 90 degrees: the first rows become the last columns
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{i}.tif", exif=exif)
    images = open_source(tmp_path / "set").decode(8).train.images.numpy()
    assert (images[:, :, :, -2:] > 0).all() and (images[:, :, :, :-2] == 0).all()


@pytest.mark.parametrize("mode", ["F", "I"])
def test_tiff_pixels_of_no_known_range_are_refused(tmp_path: Path, open_source: Open, mode: str) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(3):
            pixels = np.full((8, 8), 0.5 if mode == "F" else 100_000 + i, np.float32 if mode == "F" else np.int32)
            Image.fromarray(pixels, mode).save(tmp_path / "set" / name / f"{i}.tif")
    with pytest.raises(DatasetInvalid, match=r"range is not known|hold"):
        open_source(tmp_path / "set").decode(8)
