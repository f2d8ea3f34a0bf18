"""The textbook loop that the engine is timed against does the same arithmetic: the gradients are the engine's."""

from typing import Any

import pytest
import torch
from tiny import make_network

from benchmarks import textbook
from core.methods.kd import kd_loss
from core.networks import zoo


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.tensor([0, 1, 2, 3, 0, 1])


def gradients(network: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def test_a_kd_step_has_the_engines_gradients(images: Any, labels: Any) -> None:
    student, teacher = make_network("cifar/resnet8"), make_network("cifar/resnet14", seed=1).eval()
    loss, _ = textbook.kd_step(teacher.module, student.module)(student.prepare(images), labels)
    loss.backward()
    plain = gradients(student)
    student.zero_grad()
    logits = student(images)
    hard = torch.nn.functional.cross_entropy(logits, labels)
    soft = kd_loss(logits, teacher(images).detach(), temperature=4.0)
    (0.1 * hard + 0.9 * soft).backward()
    assert plain.norm() > 0.1
    torch.testing.assert_close(plain, gradients(student), atol=1e-5, rtol=1e-3)


def test_the_kd_loss_without_a_teacher_is_the_cross_entropy(labels: Any) -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    loss = textbook.kd_loss(logits, logits, labels, label_weight=1.0)
    expected = (logits.exp().sum(1).log() - logits[torch.arange(6), labels]).mean()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_map_and_the_logits_are_those_of_the_network(images: Any) -> None:
    network = make_network("cifar/resnet8").eval()
    kept = network.features(images, (-1,))
    maps, logits = textbook.map_and_logits(network.module, network.prepare(images))
    torch.testing.assert_close(maps, kept.maps[0])
    torch.testing.assert_close(logits, kept.logits)


def test_the_projector_has_the_parameters_of_the_paper() -> None:
    sizes = {
        factor: sum(p.numel() for p in textbook.make_projector(256, 256, factor=factor).parameters())
        for factor in (2, 4, 8)
    }
    assert sizes == {2: 214_016, 4: 70_400, 8: 26_240}


def test_a_simkd_step_is_the_mean_squared_difference_of_the_maps(images: Any, labels: Any) -> None:
    student, teacher = (zoo.make(f"cifar/{name}", 4, None)[0] for name in ("resnet8", "resnet14"))
    teacher.eval()
    projector = textbook.make_projector(64, 64).eval()
    loss, logits = textbook.simkd_step(teacher, student.eval(), projector)(images, labels)
    maps = {}
    for name, network in (("student", student), ("teacher", teacher)):
        network.layer3.register_forward_hook(lambda _, inputs, output, name=name: maps.update({name: output}))
        network(images)
    difference = (projector(maps["student"]) - maps["teacher"]).detach().double().numpy()
    assert loss.item() == pytest.approx((difference**2).sum() / difference.size, rel=1e-5)
    loss.backward()
    assert teacher.fc.weight.grad is None and student.fc.weight.grad is None and student.conv1.weight.grad.norm() > 0
    assert logits.shape == (6, 4)


def test_an_epoch_takes_every_batch_and_tells_of_every_step(images: Any, labels: Any) -> None:
    student, teacher = make_network("cifar/resnet8").module, make_network("cifar/resnet14", seed=1).module.eval()
    told = []
    before = student.conv1.weight.clone()
    loss, accuracy = textbook.train_epoch(
        [(images, labels)] * 3,
        textbook.kd_step(teacher, student),
        textbook.make_optimizer([student]),
        torch.device("cpu"),
        after_step=lambda: told.append(1),
    )
    assert len(told) == 3 and loss > 0 and 0 <= accuracy <= 1
    assert not torch.equal(before, student.conv1.weight)
