from pathlib import Path

import pytest

from core.files.atomic import whole_file, write_whole


def test_the_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    with whole_file(target) as temporary:
        temporary.write_bytes(b"half")
        assert not target.exists()
    assert target.read_bytes() == b"half"
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


def test_an_error_leaves_what_was_there_and_no_half_file(tmp_path: Path) -> None:
    target = write_whole(tmp_path / "metrics.json", "old")
    with pytest.raises(RuntimeError, match="disk"), whole_file(target) as temporary:
        temporary.write_text("half of the ne")
        raise RuntimeError("disk on fire")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_text_is_utf8(tmp_path: Path) -> None:
    assert write_whole(tmp_path / "labels.json", "Äpfel 🍎").read_bytes() == "Äpfel 🍎".encode()
