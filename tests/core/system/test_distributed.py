"""Two processes train as one: the same curves at the same batch, one checkpoint, one voice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist
from safetensors.torch import load_file
from torch import multiprocessing

from core.process.launch import GRACE_SECONDS
from core.system.distributed import Ranks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SPEC = {
    "dataset": "builtin:digits",
    "student": "cifar/resnet8",
    "method": "scratch",
    "training": {
        "batch_size": 31,
        "precision": "fp32",
        "learning_rate": 0.01,
        "max_steps": 8,
        "epochs": 1,
        "augmentation": "crop",
        "schedule": "cosine",
    },
    "exports": ["safetensors"],
}


def engine(out: Any, *flags: Any, job: Any = (), **training: Any) -> Any:
    out.mkdir(exist_ok=True)
    document = {**SPEC, **dict(job), "training": {**SPEC["training"], **training}}
    (out / "spec.json").write_text(json.dumps(document))
    command = [
        sys.executable, "-m", "core", "--spec", out / "spec.json", "--out", out / "out",
        "--cache", out.parent / "cache", "--events", "json", *flags,
    ]  # fmt: skip
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def events_of(process: Any) -> list[Any]:
    output, _ = process.communicate(timeout=300)
    return [json.loads(line) for line in output.splitlines()]


def curves(events: Any) -> Any:
    points = {}
    for event in events:
        if event["event"] == "metric":
            for name, value in event["values"].items():
                if name != "images_per_second":
                    points[name, event["step"]] = value
    return points


TAUGHT = {
    "teacher": "job:job_digits",
    "student": {"architecture": "cifar/resnet8", "weights": None},
    "method": "kd",
}
JOBS = {
    "labels": ({}, {}),
    "live teacher": (TAUGHT, {"image_size": 8, "teacher_pass": "live", "teacher_precision": "same"}),
    "stored teacher, averaged": (
        TAUGHT,
        {"image_size": 8, "teacher_pass": "stored", "stored_views": 1, "schedule": "constant", "ema_decay": 0.9},
    ),
}


@pytest.fixture(scope="module", params=JOBS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, digits_teacher: Path) -> Any:
    """The events and the weights of one process and of two."""
    root = tmp_path_factory.mktemp("ranks")
    job, training = JOBS[request.param]
    found = []
    for devices in ("cpu", "cpu:2"):
        folder = root / devices.replace(":", "-")
        process = engine(folder, "--inputs", digits_teacher, job=job, devices=devices, **training)
        events = events_of(process)
        assert process.returncode == 0
        found.append((events, load_file(root / devices.replace(":", "-") / "out/artifacts/model.safetensors")))
    return found


@pytest.fixture
def is_taught(request: pytest.FixtureRequest) -> bool:
    """Whether a teacher's soft labels are learned, whose gradients amplify rounding."""
    return request.node.callspec.params["trained"] != "labels"


def test_two_processes_have_the_curves_of_one(trained: Any, is_taught: Any) -> None:
    one, two = (curves(events) for events, _ in trained)
    assert one.keys() == two.keys() and ("train/loss", 8) in one
    for (name, step), value in one.items():
        # An accuracy or a calibration error jumps where rounding moves one image.
        if "loss" in name or not is_taught:
            assert two[name, step] == pytest.approx(value, rel=2e-3, abs=2e-3), (name, step)


def test_two_processes_end_with_the_weights_of_one(trained: Any, is_taught: Any) -> None:
    (_, one), (_, two) = trained
    assert one.keys() == two.keys()
    for name, value in one.items():
        distance = (two[name].double() - value.double()).norm()
        assert distance <= 0.02 * value.double().norm() + (2e-3 if is_taught else 1e-3), name


def test_one_process_speaks_for_both(trained: Any) -> None:
    for events, _ in trained:
        kinds = [event["event"] for event in events]
        assert kinds.count("result") == 1 and kinds.count("resolved") == 1
        assert [event["phase"] for event in events if event["event"] == "phase"] == [
            "preparing", "training", "evaluating", "exporting",
        ]  # fmt: skip
    assert (
        next(event for event in trained[1][0] if event["event"] == "resolved")["spec"]["training"]["devices"] == "cpu:2"
    )


def test_two_processes_that_are_asked_to_end_save_once_and_go_on(tmp_path: Path) -> None:
    process = engine(tmp_path / "cut", devices="cpu:2", max_steps=400, epochs=20)
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["step"] >= 2:
            break
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    rest = events_of(process)
    assert process.returncode == 75
    # Nobody waits for anybody: it does not end because the launcher's patience does.
    assert time.monotonic() - asked < GRACE_SECONDS
    (saved,) = [event for event in rest if event["event"] == "checkpoint"][-1:]
    again = engine(tmp_path / "cut", "--resume", devices="cpu:2", max_steps=saved["step"] + 2, epochs=20)
    events = events_of(again)
    assert again.returncode == 0
    assert any(f"from step {saved['step']}" in event.get("message", "") for event in events)


def _notes_of(rank: int, address: str, folder: Path) -> None:
    """What one process knows after a block in which each leaves its own answer."""
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    notes: dict[str, Any] = {}
    with Ranks(rank, 2, rank).first_goes_first(notes):
        notes.setdefault("found by", rank)
    (folder / str(rank)).write_text(json.dumps(notes))
    dist.destroy_process_group()


def test_what_the_first_process_found_the_others_do_not_look_for(tmp_path: Path) -> None:
    multiprocessing.spawn(_notes_of, (f"file://{tmp_path / 'meeting'}", tmp_path), nprocs=2)
    assert [json.loads((tmp_path / rank).read_text()) for rank in "01"] == [{"found by": 0}] * 2


def test_more_processes_than_images_in_a_batch_are_refused(tmp_path: Path) -> None:
    process = engine(tmp_path / "many", devices="cpu:2", batch_size=1)
    events = events_of(process)
    assert process.returncode == 3
    (failure,) = [event for event in events if event["event"] == "error"]
    assert "cannot share a batch of 1" in failure["message"]
