"""A folder as a tar that is made on the fly: the same bytes for the same files, readable from any place."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from retort.archive import Changed, pack

LONG = "deep/" * 30 + "a name of more than a hundred characters.jpg"
FILES = {
    "cat/1.jpg": b"x" * 700,
    "cat/2.jpg": b"",
    "dog/größe.jpg": b"y" * 512,
    LONG: b"z" * 1500,
    "labels.csv": b"a,b",
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return filled(tmp_path / "photos")


def filled(folder: Path) -> Path:
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_the_tar_of_a_folder_holds_its_files(photos: Path) -> None:
    archive = pack(photos)
    assert (archive.filename, archive.num_files) == ("photos.tar", len(FILES))
    content = archive.read(0, archive.size)
    assert len(content) == archive.size
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        assert {name: file.read() for name, file in found.items() if file is not None} == FILES


def test_the_bytes_are_the_same_from_any_place_and_for_another_copy(photos: Path, tmp_path: Path) -> None:
    archive = pack(photos)
    whole = archive.read(0, archive.size)
    for size in (1, 511, 513, 4096):
        pieces = [archive.read(start, size) for start in range(0, archive.size, size)]
        assert b"".join(pieces) == whole
    copy = filled(tmp_path / "copy" / "photos")
    os.utime(copy / "labels.csv", (1, 1))
    (copy / "labels.csv").chmod(0o600)
    assert pack(copy).sha256() == archive.sha256()
    (copy / "labels.csv").write_bytes(b"a,c")
    assert pack(copy).sha256() != archive.sha256()


def test_links_are_followed_once_and_hidden_files_left_out(photos: Path, tmp_path: Path) -> None:
    before = pack(photos).sha256()
    (photos / ".DS_Store").write_bytes(b"x")
    (photos / ".git").mkdir()
    (photos / ".git/config").write_bytes(b"x")
    (photos / "dog/back").symlink_to(photos)
    assert pack(photos).sha256() == before
    (tmp_path / "elsewhere.jpg").write_bytes(b"linked")
    (photos / "cat/3.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    archive = pack(photos)
    assert b"linked" in archive.read(0, archive.size)


def test_a_file_is_uploaded_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK" * 1000)
    archive = pack(tmp_path / "a.zip")
    assert (archive.filename, archive.read(0, 5000)) == ("a.zip", b"PK" * 1000)


def test_a_file_that_changes_is_noticed(photos: Path) -> None:
    archive = pack(photos)
    (photos / "cat/1.jpg").write_bytes(b"shorter")
    with pytest.raises(Changed, match=r"cat/1\.jpg"):
        archive.read(0, archive.size)


@pytest.mark.parametrize("kind", ["missing", "empty folder", "empty file"])
def test_what_cannot_be_uploaded_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    if kind == "empty folder":
        path.mkdir()
    elif kind == "empty file":
        path.touch()
    with pytest.raises(ValueError, match=str(path)):
        pack(path)
