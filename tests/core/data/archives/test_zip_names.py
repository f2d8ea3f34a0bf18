"""Names in zips: by the flag, by the Unicode extra field, by their bytes, or refused; never another text."""

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.dataset import Source
from core.errors import DatasetInvalid

Open = Callable[..., Source]
Make = Callable[..., Path]
Encode = Callable[..., bytes]


def write(
    path: Path,
    members: dict[bytes, bytes],
    *,
    flag: bool = False,
    unicode_names: dict[bytes, str] | None = None,
    crc: int = 0,
) -> Path:
    """A zip whose names are these bytes, with or without the UTF-8 flag and the Unicode extra field."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (raw, data) in enumerate(members.items()):
            info = zipfile.ZipInfo("x" * (len(raw) - 4) + f"{number:04}")
            if unicode_names:
                field = b"\1" + struct.pack("<I", zlib.crc32(raw) ^ crc) + unicode_names[raw].encode()
                info.extra = struct.pack("<HH", 0x7075, len(field)) + field
            archive.writestr(info, data)
    content = path.read_bytes()
    for number, raw in enumerate(members):
        content = content.replace(b"x" * (len(raw) - 4) + f"{number:04}".encode(), raw)
    if flag:
        content = content.replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\0\x08")
        content = content.replace(b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\0\x08")
    path.write_bytes(content)
    return path


def names(encode: Encode, encoding: str) -> dict[bytes, bytes]:
    return {
        f"{label}/{n:03}.png".encode(encoding): encode(n + len(label)) for label in ("猫犬", "犬") for n in range(4)
    }


@pytest.mark.parametrize("flag", [True, False])
def test_utf8_with_and_without_the_flag(tmp_path: Path, open_source: Open, encode: Encode, flag: bool) -> None:
    source = open_source(write(tmp_path / "set.zip", names(encode, "utf-8"), flag=flag))
    assert source.classes == ("犬", "猫犬")
    assert len(source.decode(8).train.names) > 0


@pytest.mark.parametrize("encoding", ["cp932", "gb18030", "euc_kr"])
def test_the_unicode_extra_field(tmp_path: Path, open_source: Open, encode: Encode, encoding: str) -> None:
    members = names(encode, "cp932")
    told = {raw: raw.decode("cp932") for raw in members}
    assert open_source(write(tmp_path / "set.zip", members, unicode_names=told)).classes == ("犬", "猫犬")


def test_a_unicode_field_of_another_name_does_not_count(tmp_path: Path, open_source: Open, encode: Encode) -> None:
    members = names(encode, "cp932")
    told = {raw: raw.decode("cp932") for raw in members}
    with pytest.raises(DatasetInvalid, match="not UTF-8"):
        open_source(write(tmp_path / "set.zip", members, unicode_names=told, crc=1))


@pytest.mark.parametrize(
    ("encoding", "label"),
    [("cp932", "猫犬"), ("gb18030", "猫狗"), ("euc_kr", "고양이"), ("cp437", "café"), ("cp1252", "née")],
)
def test_a_code_page_is_refused_with_the_way_out(
    tmp_path: Path, open_source: Open, encode: Encode, encoding: str, label: str
) -> None:
    members = {f"{name}/{n:03}.png".encode(encoding): encode(n) for name in (label, "other") for n in range(4)}
    with pytest.raises(DatasetInvalid, match=r"bytes [0-9a-f ]+, which are not UTF-8") as caught:
        open_source(write(tmp_path / "set.zip", members))
    assert "UTF-8" in caught.value.hint


def test_a_method_that_is_not_supported_is_named(
    tmp_path: Path, open_source: Open, encode: Encode, make_zip: Make
) -> None:
    path = make_zip(tmp_path / "set.zip", {f"{label}/{n}.png": encode(n) for label in "ab" for n in range(3)})
    content = path.read_bytes()
    content = content.replace(b"PK\1\2\x14\x03\x14\0\0\0\0\0", b"PK\1\2\x14\x03\x14\0\0\0\x09\0")
    path.write_bytes(content.replace(b"PK\3\4\x14\0\0\0\0\0", b"PK\3\4\x14\0\0\0\x09\0"))
    with pytest.raises(DatasetInvalid, match=r"method 9 \(Deflate64\)") as caught:
        open_source(path)
    assert "zip again" in caught.value.hint
