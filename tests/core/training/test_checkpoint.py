"""Checkpoint files: whole or absent, the newest counts, and nothing in them is ever executed."""

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import files_below

from core.training.checkpoint import FOLDER, CheckpointFolder


def state(step: Any) -> dict[str, Any]:
    return {"format": 1, "step": step, "weights": {"w": torch.full((3,), float(step))}, "none": None, "name": "x"}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    assert folder.load() is None
    event = folder.save(state(7), 7)
    loaded = folder.load()
    assert torch.equal(loaded.pop("weights")["w"], torch.full((3,), 7.0))
    assert loaded == {"format": 1, "step": 7, "none": None, "name": "x"}
    content = (tmp_path / event.path).read_bytes()
    assert (event.step, event.size_bytes) == (7, len(content))
    assert event.sha256 == hashlib.sha256(content).hexdigest()


def test_the_newest_alone_is_left_and_each_has_a_name_of_its_own(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    paths = [folder.save(state(step), step).path for step in (9, 10, 100)]
    assert len(set(paths)) == 3
    assert files_below(tmp_path) == {paths[-1]}
    assert folder.load()["step"] == 100


def test_the_newest_of_several_counts_by_number_not_by_time(tmp_path: Path) -> None:
    for step in (100, 20):
        folder = tmp_path / str(step)
        event = CheckpointFolder(folder).save(state(step), step)
        (tmp_path / FOLDER).mkdir(exist_ok=True)
        (folder / event.path).rename(tmp_path / event.path)
    assert CheckpointFolder(tmp_path).load()["step"] == 100


def test_a_file_that_was_being_written_is_not_read_and_is_swept_up(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(state(3), 3)
    torn = tmp_path / FOLDER / ".0123456789abcdef.part"
    torn.write_bytes(b"half")
    (tmp_path / FOLDER / "checkpoint-9.pt").write_bytes(b"of another make")
    assert folder.load()["step"] == 3
    folder.save(state(4), 4)
    assert len(files_below(tmp_path)) == 1


def test_a_save_that_fails_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    before = folder.save(state(3), 3)
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError)):
        folder.save({"cannot": lambda: None}, 4)
    assert files_below(tmp_path) == {before.path}
    assert folder.load()["step"] == 3


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("sprung",)


def test_a_checkpoint_executes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / FOLDER).mkdir()
    torch.save({"format": 1, "trap": Trap()}, tmp_path / FOLDER / "checkpoint-000000000001.pt")
    with pytest.raises(pickle.UnpicklingError):
        CheckpointFolder(tmp_path).load()
    assert not (tmp_path / "sprung").exists()
