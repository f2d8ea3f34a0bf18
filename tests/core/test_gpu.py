"""What differs on a GPU: training by CUDA graphs teaches the same, and no step waits for the device."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.planning.prepare import prepare
from core.policy import Policy
from core.spec import parse_job
from core.system.workspace import Workspace
from core.training.build import build_trainer
from tests.core.conftest import Ran

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
STEPS = 12
FIRST_CHECKED, LAST_CHECKED = 4, 9  # after all has been allocated, before the first report


def document(method: str = "kd", **training: Any) -> dict[str, Any]:
    return {
        "teacher": "job:job_digits",
        "dataset": "builtin:digits",
        "student": {"architecture": "cifar/resnet8", "weights": None},
        "method": method,
        "exports": ["safetensors"],
        "training": {"image_size": 8, "devices": "cuda", "batch_size": 32, "teacher_pass": "live", **training},
    }


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("method", "more"), [("kd", {}), ("kd", {"micro_batch_size": 8}), ("pkd", {}), ("mlkd", {}), ("tcs", {})]
)
def test_cuda_graphs_teach_what_separate_kernels_do(
    method: str, more: dict[str, Any], precision: str, run_job: Callable[..., Ran], digits_teacher: Path
) -> None:
    losses = []
    for compiles in (False, True):
        training = {"compile": compiles, "max_steps": STEPS, "learning_rate": 0.01, "precision": precision, **more}
        ran = run_job(document(method, **training), inputs=digits_teacher)
        assert ran.error is None, ran.error
        assert not [event for event in ran.of("log") if "uncompiled" in event.message]
        losses.append([event.values["train/loss"] for event in ran.of("metric") if "train/loss" in event.values])
    assert len(losses[0]) == STEPS
    assert losses[1] == pytest.approx(losses[0], rel=0.01 if precision == "fp32" else 0.1)


@pytest.mark.parametrize("compiles", [False, True])
@pytest.mark.parametrize(
    "training",
    [
        {"augmentation": "none"},
        {"augmentation": "crop"},
        {"augmentation": "strong"},
        {"augmentation": "light", "mixup_alpha": 0.2, "cutmix_alpha": 1.0},
        {"augmentation": "none", "teacher_pass": "stored", "optimizer": "sgd"},
    ],
    ids=lambda training: "-".join(str(value) for value in training.values()),
)
def test_no_step_waits_for_the_device(
    training: dict[str, Any], compiles: bool, tmp_path: Path, digits_teacher: Path
) -> None:
    spec = parse_job(document(**{"max_steps": 2000, "epochs": 100, "compile": compiles, **training}))
    workspace = Workspace(tmp_path, tmp_path / "cache", digits_teacher, Policy())
    prepared = prepare(spec, workspace, lambda event: None)
    taken = []

    def after_step(trainer: Any) -> None:
        taken.append(trainer.step)
        torch.cuda.set_sync_debug_mode("error" if FIRST_CHECKED <= trainer.step < LAST_CHECKED else "default")
        trainer.stopped = trainer.step == LAST_CHECKED

    run = prepared.student
    trainer = build_trainer(prepared, run, run.method, lambda step, values: None, after_step)
    assert trainer.plan.report_interval > LAST_CHECKED
    try:
        trainer.run()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert taken == list(range(1, LAST_CHECKED + 1))
