"""What one job found out is there for the next, whole or not at all, and never in the way of a job."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.files.result_cache import FOLDER, ResultCache, content_address


def kept(cache: Any) -> list[Any]:
    return sorted(path.name for path in (cache / FOLDER).iterdir())


def test_what_is_kept_is_recalled_by_others(tmp_path: Path) -> None:
    ResultCache(tmp_path).keep("answer", "a", b"42")
    assert ResultCache(tmp_path).recall("answer", "a") == b"42"
    assert ResultCache(tmp_path).recall("answer", "b") is None
    assert ResultCache(tmp_path).recall("question", "a") is None


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"X" + data[1:]])
def test_what_is_damaged_is_not_recalled(
    tmp_path: Path, damage: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    cache = ResultCache(tmp_path)
    cache.keep("answer", "a", b"a long answer")
    path = tmp_path / FOLDER / "answer-a"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.recall("answer", "a") is None
    assert "damaged" in caplog.text
    cache.keep("answer", "a", b"another")
    assert cache.recall("answer", "a") == b"another"


def test_the_longest_unused_make_room(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, max_bytes=400)
    for age, name in enumerate("abc"):
        cache.keep("answer", name, bytes(100))
        os.utime(tmp_path / FOLDER / f"answer-{name}", (1000 + age, 1000 + age))
    assert cache.recall("answer", "a") is not None  # used again, just now
    cache.keep("answer", "d", bytes(100))
    assert kept(tmp_path) == ["answer-a", "answer-c", "answer-d"]


def test_what_would_take_most_of_the_room_is_not_kept(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, max_bytes=400)
    cache.keep("answer", "a", bytes(100))
    cache.keep("answer", "b", bytes(101))
    assert kept(tmp_path) == ["answer-a"]


def test_a_file_that_a_killed_process_left_half_written_takes_no_room_for_ever(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, max_bytes=400)
    cache.keep("answer", "a", bytes(50))
    left = tmp_path / FOLDER / ".0123456789abcdef.part"
    left.write_bytes(bytes(300))
    os.utime(left, (0, 0))
    cache.keep("answer", "b", bytes(90))
    assert not left.exists()
    assert kept(tmp_path) == ["answer-a", "answer-b"]


def test_a_cache_that_cannot_be_used_fails_no_job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    cache = ResultCache(tmp_path / "cache")
    cache.keep("answer", "a", b"42")
    assert cache.recall("answer", "a") is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_an_address_tells_contents_apart_and_not_how_they_lie_in_memory() -> None:
    images = torch.arange(24.0).view(1, 2, 3, 4)
    facts, tensors = {"size": 4}, {"images": images}
    address = content_address(facts, tensors)
    laid_out = images.contiguous(memory_format=torch.channels_last)
    assert content_address(facts, {"images": laid_out}) == address
    others = [
        content_address({"size": 5}, tensors),
        content_address(facts),
        content_address(facts, {"views": images}),
        content_address(facts, {"images": images.view(2, 1, 3, 4)}),
        content_address(facts, {"images": images.double()}),
        content_address(facts, {"images": images + (images == 7)}),
    ]
    assert len({address, *others}) == 7
