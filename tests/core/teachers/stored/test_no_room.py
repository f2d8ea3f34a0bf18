"""Jobs beside another that holds the room for stored passes: they end well, keep the limit, and say so."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from core.policy import Policy
from core.teachers.stored.store import PassStore
from core.teachers.stored.stored_pass import store_root
from tests.core.conftest import Ran

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
LIMIT = 80_000  # bytes: a pass of the job's training images takes 57 kB
NO_ROOM = "there is no room for view 1 of 1"
FILLED = "the teacher has seen view 1 of 1"


def document(**training: Any) -> dict[str, Any]:
    return {
        "teacher": "job:job_digits",
        "dataset": {"uri": "builtin:digits", "max_per_class": 30},
        "student": {"architecture": "cifar/resnet8", "weights": None},
        "method": "kd",
        "exports": ["safetensors"],
        "training": {"image_size": 8, "epochs": 3, "devices": "cpu", "teacher_pass": "stored", **training},
    }


def occupant(out: Any, address: str = "other") -> Any:
    """A pass of 40 kB in the cache of the job in `out`, in use."""
    store = PassStore(store_root(out / "cache"), address, num_records=2, record_bytes=20_000, max_bytes=LIMIT)
    store.write(0, [torch.zeros(2, 20_000, dtype=torch.uint8)])
    return store


def stored_in(out: Any) -> list[Any]:
    """The passes of all views in the cache; together they keep the limit."""
    views = list(store_root(out / "cache").rglob("view-*"))
    assert sum(view.stat().st_size for view in views) <= LIMIT
    return [view.parent.name for view in views]


def said_of_room(messages: Any) -> list[Any]:
    """Which of the two notices, in their order."""
    return [notice for message in messages for notice in (NO_ROOM, FILLED) if notice in message]


@pytest.fixture
def run(run_job: Callable[..., Ran], digits_teacher: Path, tmp_path: Path) -> Any:
    """A job in tmp_path, or elsewhere, under the limit."""

    def run(out: Any = tmp_path, hear: Any = lambda event: None, **training: Any) -> Any:
        ran = run_job(
            document(**training), inputs=digits_teacher, out=out, hear=hear, policy=Policy(max_teacher_pass_bytes=LIMIT)
        )
        assert ran.error is None, ran.error
        return ran

    return run


def test_without_room_a_job_is_the_one_with_a_live_teacher(run: Any, tmp_path: Path) -> None:
    with closing(occupant(tmp_path / "full")):
        crowded, live = run(tmp_path / "full"), run(tmp_path / "live", teacher_pass="live")
    digests = [{each.name: each.sha256 for each in ran.of("artifact")} for ran in (crowded, live)]
    for name in ("model.safetensors", "predictions.csv"):
        assert digests[0][name] == digests[1][name]
    assert said_of_room(event.message for event in crowded.of("log")) == [NO_ROOM]
    assert stored_in(tmp_path / "full") == ["other"]


def test_the_view_is_stored_once_there_is_room_and_let_go_when_the_training_ends(run: Any, tmp_path: Path) -> None:
    other = occupant(tmp_path)

    def hear(event: Any) -> None:
        if event.event == "log" and NO_ROOM in event.message:
            other.close()

    ran = run(hear=hear)
    assert said_of_room(event.message for event in ran.of("log")) == [NO_ROOM, FILLED]
    assert len(stored_in(tmp_path)) == 1 and stored_in(tmp_path) != ["other"]
    occupant(tmp_path, "later").close()
    assert stored_in(tmp_path) == ["later"]


def test_two_processes_go_on_live_together(digits_teacher: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(document(devices="cpu:2")))
    (tmp_path / "policy.json").write_text(json.dumps({"max_teacher_pass_bytes": LIMIT}))
    command = [
        sys.executable, "-m", "core", "--spec", "spec.json", "--out", "out", "--cache", "cache",
        "--inputs", str(digits_teacher), "--policy", "policy.json", "--events", "json",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with closing(occupant(tmp_path)):
        process = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment, check=False
        )
    assert process.returncode == 0, process.stderr[-2000:]
    events = [json.loads(line) for line in process.stdout.splitlines()]
    assert said_of_room(event["message"] for event in events if event["event"] == "log") == [NO_ROOM]
    assert stored_in(tmp_path) == ["other"]
