import errno
from pathlib import Path

import pytest

from core.errors import DiskFull
from core.files.atomic import atomic_path, write_atomically


def test_the_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        assert not target.exists()
    assert target.read_bytes() == b"half"
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


def test_an_error_leaves_what_was_there_and_no_half_file(tmp_path: Path) -> None:
    target = write_atomically(tmp_path / "metrics.json", "old")
    with pytest.raises(RuntimeError, match="disk"), atomic_path(target) as temporary:
        temporary.write_text("half of the ne")
        raise RuntimeError("disk on fire")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_folder_appears_with_all_its_files(tmp_path: Path) -> None:
    target = tmp_path / "below" / "images"
    with atomic_path(target) as temporary:
        temporary.mkdir()
        (temporary / "one.png").write_bytes(b"1")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["one.png"]


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    target = tmp_path / "images"
    for name in ("first.png", "second.png"):
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [path.name for path in target.iterdir()] == ["first.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error_of_its_own(tmp_path: Path, number: int) -> None:
    with pytest.raises(DiskFull, match="model"), atomic_path(tmp_path / "model.bin") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(number, "no space")
    assert not list(tmp_path.iterdir())


def test_text_is_utf8(tmp_path: Path) -> None:
    assert write_atomically(tmp_path / "labels.json", "Äpfel 🍎").read_bytes() == "Äpfel 🍎".encode()
