"""What the launcher refuses, how long its processes wait for each other, and what it does when one dies."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import SpecInvalid
from core.events import EXIT_INTERNAL, EXIT_USER_ERROR
from core.process.launch import PATIENCE
from core.spec import TrainingSpec, parse_job
from core.system.device import count_gpus

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
# The second process dies, while the first one waits for nobody.
DYING = """
import os, pathlib, signal, sys, time
import torch, torch.distributed as dist
from core.__main__ import _parser
from core.process.launch import launch
from core.spec import parse_job

def run(spec, options, ranks):
    if ranks.rank == 1:
        backend = dist.group.WORLD._get_backend(torch.device("cpu"))
        pathlib.Path("patience").write_text(str(backend.options._timeout.total_seconds()))
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)

if __name__ == "__main__":
    import dying
    sys.exit(launch(dying.run, parse_job(SPEC), _parser().parse_args([])))
"""


def spec(devices: Any) -> dict[str, Any]:
    return {"dataset": "builtin:digits", "student": "cifar/resnet8", "training": {"devices": devices}}


@pytest.mark.parametrize(
    ("devices", "available", "counted"),
    [
        ("auto", 0, 0), ("auto", 2, 2), ("auto:4", 0, 0), ("auto:2", 2, 2), ("auto:4", 2, None),
        ("cpu", 2, 0), ("cpu:4", 2, 0), ("cuda", 0, None), ("cuda", 1, 1), ("cuda:2", 2, 2), ("cuda:4", 2, None),
    ],
)  # fmt: skip
def test_each_process_has_a_gpu_or_none_has(
    devices: str, available: int, counted: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: available)  # two GPUs are not to be had here
    training = TrainingSpec(devices=devices)
    if counted is not None:
        assert count_gpus(training) == counted
        return
    with pytest.raises(SpecInvalid, match=f"{devices}.*{available or 'no'} CUDA devices.*allowed here.*cpu") as caught:
        count_gpus(training)
    assert caught.value.errors[0][0] == "/training/devices"
    assert (f"cuda:1 to cuda:{available}" in str(caught.value)) == (available > 1)


def test_more_gpus_than_there_are_is_a_mistake_of_the_job_and_no_process_is_started(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(spec("cuda:99")))
    command = [sys.executable, "-m", "core", "--spec", path, "--out", tmp_path / "out", "--events", "json"]
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == EXIT_USER_ERROR, done.stderr[-2000:]
    (failure,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (failure["event"], failure["code"]) == ("error", "SPEC_INVALID")
    assert failure["message"].startswith("/training/devices: 'cuda:99' was asked for")
    assert not (tmp_path / "out").exists()


def test_the_launcher_sees_that_a_process_died_though_the_others_are_patient(tmp_path: Path) -> None:
    document = parse_job(spec("cpu:2")).model_dump(mode="json")
    (tmp_path / "dying.py").write_text(DYING.replace("SPEC", repr(document)))
    done = subprocess.run(
        [sys.executable, "dying.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == EXIT_INTERNAL, done.stderr[-2000:]
    assert signal.SIGKILL.name in done.stderr
    assert float((tmp_path / "patience").read_text()) == PATIENCE.total_seconds()
