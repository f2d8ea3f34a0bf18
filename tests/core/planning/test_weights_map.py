"""A teacher of a renamed checkpoint, taken in order: its accuracy proves the order, and fine-tuning begins with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from core.errors import SpecInvalid
from core.networks.initial import build_student
from core.networks.zoo import build
from core.planning.prepare import prepare
from core.policy import Policy
from core.spec import parse_job
from core.system.workspace import Workspace

DIGITS = list("0123456789")
TRAINING = {"image_size": 8, "max_steps": 2, "devices": "cpu", "batch_size": 16}


@pytest.fixture(scope="module")
def in_order(digits_teacher: Path) -> dict[str, torch.Tensor]:
    """The digits' real teacher, in the order of its network: safetensors sorts its names."""
    weights = load_file(digits_teacher / "job_digits" / "model.safetensors")
    return {key: weights[key] for key in build("cifar/resnet14", 10).module.state_dict() if "num_batches" not in key}


@pytest.fixture(scope="module")
def renamed(digits_teacher: Path, in_order: dict[str, torch.Tensor]) -> Callable[[list[str], Path], Path]:
    """Writes the tensors of these names, one after the other, under names that mean nothing; as told, at 8 pixels."""
    with safe_open(digits_teacher / "job_digits" / "model.safetensors", "pt") as file:
        told = {key: value for key, value in file.metadata().items() if key in ("image_size", "mean", "std")}

    def write(names: list[str], folder: Path) -> Path:
        tensors = {f"tensor.{number:03}": in_order[name] for number, name in enumerate(names)}
        save_file(tensors, folder / "renamed.safetensors", metadata=told)
        return folder / "renamed.safetensors"

    return write


def job(path: Path, **teacher: str) -> dict[str, Any]:
    return {
        "teacher": {"architecture": "cifar/resnet14", "weights": path.as_uri(), "classes": DIGITS, **teacher},
        "dataset": "builtin:digits", "student": "cifar/resnet8", "method": "kd",
        "evaluation": {"baselines": ["finetune"]}, "training": TRAINING,
    }  # fmt: skip


def test_it_is_offered_and_then_verified_by_its_accuracy(
    in_order: dict[str, torch.Tensor],
    renamed: Callable[[list[str], Path], Path],
    run_job: Callable[..., Any],
    tmp_path: Path,
) -> None:
    path = renamed(list(in_order), tmp_path)
    assert "by_order" in run_job(job(path), plan_only=True).failure.hint
    ran = run_job(job(path, weights_map="by_order"), plan_only=True)
    assert ran.error is None
    assert ran.of("resolved")[0].teacher_validation_top1 > 0.8
    assert "WEIGHTS_BY_ORDER" in [event.warning.code for event in ran.of("warning")]


def test_a_wrong_order_of_equal_shapes_is_refused_by_the_teachers_accuracy(
    in_order: dict[str, torch.Tensor],
    renamed: Callable[[list[str], Path], Path],
    run_job: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Batch norms with scale and shift, mean and variance in each other's places."""
    exchanged = {"weight": "bias", "bias": "weight", "running_mean": "running_var", "running_var": "running_mean"}
    names = []
    for name in in_order:
        path_of, _, leaf = name.rpartition(".")
        names.append(f"{path_of}.{exchanged[leaf]}" if "bn" in path_of else name)
    path = renamed(names, tmp_path)
    ran = run_job(job(path, weights_map="by_order"), plan_only=True)
    assert ran.failure.code == "TEACHER_LOAD_FAILED"
    assert "of the customer's images" in ran.failure.message


def test_fine_tuning_begins_with_the_same_file_in_the_same_way(
    in_order: dict[str, torch.Tensor], renamed: Callable[[list[str], Path], Path], tmp_path: Path
) -> None:
    path = renamed(list(in_order), tmp_path)
    workspace = Workspace(tmp_path, tmp_path / "cache", None, Policy())
    prepared = prepare(parse_job(job(path, weights_map="by_order")), workspace, lambda event: None)
    (finetune,) = [run for run in prepared.runs if run.run.name == "baseline/finetune"]
    weights = build_student(finetune.spec, len(DIGITS), workspace, seed=0).module.state_dict()
    assert torch.equal(weights["layer2.0.conv1.weight"], in_order["layer2.0.conv1.weight"])


@pytest.mark.parametrize("part", ["teacher", "student"])
def test_it_is_about_a_weights_file(part: str) -> None:
    document = {"dataset": "builtin:digits", "teacher": "torchvision/resnet18", "student": "nano"}
    architecture = {"architecture": "torchvision/resnet18", "weights_map": "by_order"}
    with pytest.raises(SpecInvalid, match="by_order"):
        parse_job({**document, part: architecture})
