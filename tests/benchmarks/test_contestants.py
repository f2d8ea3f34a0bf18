"""What the contestants are given: the same images, and the same work by the count of its operations."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import datasets

from benchmarks import textbook
from benchmarks.harness import inputs
from benchmarks.harness.flops import count_flops
from benchmarks.harness.foreign import accept_synthetic_images
from benchmarks.harness.works import find
from core.data.dataset import open_dataset
from core.policy import Policy
from core.spec import DatasetSpec
from core.system.workspace import Workspace

CLASSES = 100


@pytest.fixture
def synthetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """300 training and 100 test images in CIFAR-100's format."""
    monkeypatch.setattr(inputs, "NUM_TRAIN", 3 * CLASSES)
    monkeypatch.setattr(inputs, "NUM_TEST", CLASSES)
    inputs._make_cifar(tmp_path)
    return tmp_path


def test_the_engine_and_torchvision_read_the_same_synthetic_images(
    synthetic: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Registered here so that what accept_synthetic_images changes is undone afterwards.
    monkeypatch.setattr(datasets.cifar, "check_integrity", datasets.cifar.check_integrity)
    monkeypatch.setattr(datasets.cifar.CIFAR10, "_check_integrity", datasets.cifar.CIFAR10._check_integrity)
    accept_synthetic_images()
    plain = datasets.CIFAR100(str(synthetic), train=True)
    spec = DatasetSpec(uri=(synthetic / "cifar-100-python").as_uri(), validation_fraction=0.4)
    source = open_dataset(spec, Workspace(tmp_path, tmp_path / "cache", None, Policy()), seed=0)
    ours = source.decode(32)
    assert ours.classes == tuple(plain.classes) and len(ours.train.labels) + len(ours.validation.labels) == 300
    for split in (ours.train, ours.validation):
        for image, label, name in zip(split.images, split.labels, split.names, strict=True):
            index = int(name.partition("/")[2])
            assert plain.targets[index] == label
            assert torch.equal(torch.from_numpy(plain.data[index]).permute(2, 0, 1), image)


@pytest.mark.parametrize(("work", "live", "stored"), [("kd/32", 3_227e6, 1_061e6), ("simkd/32", 3_308e6, 1_142e6)])
def test_the_operations_are_those_that_the_counter_found_in_a_whole_step(work: str, live: float, stored: float) -> None:
    # Counted with the backward pass, where a third of it is not assumed (shared/performance.md, section 3).
    counted = count_flops(find(work), CLASSES)
    assert counted["live"] == pytest.approx(live, rel=0.002) and counted["stored"] == pytest.approx(stored, rel=0.002)


@pytest.mark.skipif(
    importlib.util.find_spec("torchdistill") is None, reason="torchdistill is not installed (extra `bench`)"
)
def test_torchdistill_is_given_the_same_losses() -> None:
    from torchdistill.losses.registry import get_high_level_loss

    from benchmarks.peers.torchdistill import configuration

    draws = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(6, 10, generator=draws) for _ in range(2))
    labels = torch.tensor([0, 1, 2, 3, 4, 5])
    loss = get_high_level_loss(configuration(find("kd/32"))["criterion"])
    sides = {"student": {".": {"output": student}}, "teacher": {".": {"output": teacher}}}
    torch.testing.assert_close(loss(sides, {}, labels), textbook.kd_loss(student, teacher, labels))
    loss = get_high_level_loss(configuration(find("simkd/32"))["criterion"])
    sides = {"student": {"projector": {"output": student}}, "teacher": {"layer3": {"output": teacher}}}
    torch.testing.assert_close(loss(sides, {}, labels), (student - teacher).square().mean())
