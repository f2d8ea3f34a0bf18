"""Hostile and broken archives: each is refused by name, and nothing of it is left on disk."""

import gzip
import io
import os
import stat
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.archives.inflating import inflate
from core.data.archives.tars import TarTree
from core.data.archives.zips import ZipTree
from core.data.budget import Budget
from core.data.opening import open_tree
from core.errors import DatasetInvalid
from core.policy import Policy

BAD_NAMES = {
    "../up.png": "climbs out",
    "a/../../up.png": "climbs out",
    "a\\..\\..\\up.png": "climbs out",
    "/etc/passwd": "absolute path",
    "C:\\up.png": "absolute path",
    "c:/up.png": "absolute path",
    "\\\\host\\share": "absolute path",
    "a/" * 40 + "x.png": "too deep",
    "x" * 2000: "too long",
}


def write_zip(path: Path, *infos: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in infos:
            archive.writestr(info, data)
    return path


def write_tar(path: Path, *members: tarfile.TarInfo, data: bytes = b"data") -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data))
    return path


def refuse(path: Path, match: str, policy: Policy | None = None) -> None:
    """Opening it raises DatasetInvalid with that message, and leaves the disk as it was."""
    folder = path.parent
    before = sorted(folder.rglob("*"))
    with pytest.raises(DatasetInvalid, match=match):
        tree = open_tree(path, policy=policy or Policy(), cache=folder / "cache")
        for member in tree.paths:
            tree.read(member)
    assert [p for p in sorted(folder.rglob("*")) if p.is_file()] == [p for p in before if p.is_file()]


@pytest.mark.parametrize(("name", "why"), BAD_NAMES.items(), ids=lambda value: value[:24])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out(tmp_path: Path, name: str, why: str, kind: str) -> None:
    if kind == "zip":
        refuse(write_zip(tmp_path / "x.zip", (name, b"data")), why)
    else:
        refuse(write_tar(tmp_path / "x.tar", tarfile.TarInfo(name)), why)


def test_a_name_with_nul(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", ("safe.pngX.exe", b"data"))
    path.write_bytes(path.read_bytes().replace(b"safe.pngX", b"safe.png\0"))
    refuse(path, "NUL")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_tar_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("a/link.png")
    link.type, link.linkname = kind, "/etc/passwd"
    refuse(write_tar(tmp_path / "x.tar", link), "'a/link.png' is a link, device")


@pytest.mark.parametrize(
    ("mode", "why"), [(stat.S_IFLNK, "is a link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "pipe")]
)
def test_zip_links_and_devices(tmp_path: Path, mode: int, why: str) -> None:
    info = zipfile.ZipInfo("a/link.png")
    info.external_attr = (mode | 0o644) << 16
    refuse(write_zip(tmp_path / "x.zip", (info, b"/etc/passwd")), why)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_twice(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        refuse(write_zip(tmp_path / "x.zip", ("a/1.png", b"1"), ("a/1.png", b"2")), "twice")
    else:
        refuse(write_tar(tmp_path / "x.tar", tarfile.TarInfo("a/1.png"), tarfile.TarInfo("a/1.png")), "twice")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_differ_by_case_are_two_files(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        path = write_zip(tmp_path / "x.zip", ("a/1.png", b"1"), ("A/1.PNG", b"2"))
    else:
        path = write_tar(tmp_path / "x.tar", tarfile.TarInfo("a/1.png"), tarfile.TarInfo("A/1.PNG"))
    assert open_tree(path, policy=Policy(), cache=tmp_path).paths == ("A/1.PNG", "a/1.png")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_inflate_without_bound_are_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("a.png", bytes(1000))
    refuse(tmp_path / "x.zip", rf"compression method {method}")


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", ("a.png", b"data"))
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    refuse(path, r"'a\.png' is encrypted")


def test_a_zip_with_the_separators_of_windows(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", ("cat#1.png", b"1"))
    path.write_bytes(path.read_bytes().replace(b"cat#1.png", b"cat\\1.png"))
    tree = open_tree(path, policy=Policy(), cache=tmp_path)
    assert {name: tree.read(name) for name in tree.paths} == {"cat/1.png": b"1"}


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", ("zeros.png", bytes(80 << 20)))
    assert path.stat().st_size < 200_000
    refuse(path, "decompression bomb")


def test_a_gzip_bomb_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(bytes(80 << 20)))
    refuse(path, "decompression bomb")


def test_limits_of_bytes_and_entries(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", *((f"{i}.png", os.urandom(100)) for i in range(5)))
    refuse(path, "500 bytes; allowed are 499", Policy(max_extracted_bytes=499))
    refuse(path, "5 entries; allowed are 4", Policy(max_archive_entries=4))
    tar = write_tar(tmp_path / "x.tar", *(tarfile.TarInfo(f"{i}.png") for i in range(5)))
    refuse(tar, "5 entries; allowed are 4", Policy(max_archive_entries=4))


def test_a_zip_of_very_many_entries_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    write_zip(path, ("a.png", b"1"))
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\5\6")
    struct.pack_into("<HH", data, end + 8, 60_000, 60_000)
    path.write_bytes(data)
    started = time.perf_counter()
    refuse(path, "60000 entries; allowed are 50000", Policy(max_archive_entries=50_000))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("lie", [1, 10_000_000])
def test_a_zip_that_lies_about_a_size(tmp_path: Path, lie: int) -> None:
    path = write_zip(tmp_path / "x.zip", ("a.png", os.urandom(5000)))
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.find(b"PK\1\2") + 24, lie)
    struct.pack_into("<L", data, 22, lie)
    path.write_bytes(data)
    refuse(path, r"'a\.png'")


def test_a_member_with_another_checksum(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/1.png", b"honest")
    path = tmp_path / "x.zip"
    path.write_bytes(path.read_bytes().replace(b"honest", b"forged"))
    refuse(path, r"'a/1\.png' in 'x\.zip' is damaged: Bad CRC")


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_truncated_archives(tmp_path: Path, name: str, keep: float, make_zip: Callable, make_tar: Callable) -> None:
    make = make_zip if name.endswith("zip") else make_tar
    path = make(tmp_path / name, {f"a/{i}.png": os.urandom(3000) for i in range(9)})
    data = path.read_bytes()
    if name == "x.tar":
        data = data[: 9 * 3584]  # without the padding to a record, where a cut would do no harm
    path.write_bytes(data[: int(len(data) * keep)])
    refuse(path, "truncated")


def test_a_tar_cut_between_two_members(tmp_path: Path, make_tar: Callable) -> None:
    path = make_tar(tmp_path / "x.tar", {f"a/{i}.png": bytes([i + 1]) * 512 for i in range(4)})
    path.write_bytes(path.read_bytes()[:2048])
    refuse(path, r"truncated after 'a/1\.png'")


def test_an_archive_in_an_archive_is_not_opened(tmp_path: Path, make_zip: Callable) -> None:
    inner = make_zip(tmp_path / "in.zip", {"a/1.png": b"1"}).read_bytes()
    path = make_zip(tmp_path / "out.zip", {"in.zip": inner})
    assert ZipTree(path, budget=Budget(Policy())).paths == ("in.zip",)


def test_a_tar_reads_as_it_was_written(tmp_path: Path, make_tar: Callable) -> None:
    members = {f"a/{i}.bin": os.urandom(700 * i) for i in range(1, 6)}
    tree = TarTree(make_tar(tmp_path / "x.tar", members), budget=Budget(Policy()))
    assert {path: tree.read(path) for path in tree.paths} == members
    with pytest.raises(DatasetInvalid, match="larger than 699 bytes"):
        tree.read("a/1.bin", 699)


def test_a_gzipped_tar_is_inflated_once(tmp_path: Path, make_tar: Callable) -> None:
    path = make_tar(tmp_path / "x.tar.gz", {"a/1.png": b"1"})
    first = inflate(path, tmp_path / "cache", budget=Budget(Policy()))
    inode = first.stat().st_ino
    assert inflate(path, tmp_path / "cache", budget=Budget(Policy())) == first
    assert first.stat().st_ino == inode


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x.rar").write_bytes(b"Rar!\x1a\x07")
    refuse(tmp_path / "x.rar", r"'x\.rar' is no folder, zip, tar")
