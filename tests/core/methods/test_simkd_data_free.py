"""Training without any image of the customer: the generator, its terms, and whose step moves what."""

from typing import Any

import numpy as np
import pytest
import torch
from simkd_cases import CHOSEN, settled, simkd, steps, two_teachers
from tiny import make_batch, same_weights, snapshot
from torch import nn

from core.methods.parts.synthesis import Generator, balance_loss, batch_norm_distances, look, one_hot_loss
from core.spec.knobs.simkd import SimkdKnobs


def maps(seed: Any, *shape: Any) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_no_image_of_the_customer_is_looked_at() -> None:
    assert same_weights(
        steps(simkd(data_free=True)), steps(simkd(data_free=True), changed_images=True, changed_labels=True)
    )
    assert not same_weights(steps(simkd()), steps(simkd(), changed_images=True))
    assert not simkd(data_free=True).needs.teacher_output, "the loop is to run no teacher on the customer's images"


@pytest.mark.parametrize("several", [False, True])
def test_each_data_free_step_moves_its_own_part(several: bool) -> None:
    method = simkd(two_teachers() if several else None, data_free=True)
    method.set_training_mode()
    teachers = [snapshot(teacher) for teacher in method.teachers]
    groups = method.parameter_groups()
    seen = {}
    torch.manual_seed(0)
    for update in method.updates(make_batch(method)):
        torch.stack(list(update.terms.values())).sum().backward()
        seen[update.group] = {name for name, group in groups.items() if any(p.grad is not None for p in group)}
        if update.group == "generator":
            assert all(p.grad is not None and p.grad.abs().max() > 0 for p in groups["generator"])
            method.zero_grad(set_to_none=True)
            assert all(parameter.requires_grad for parameter in groups["student"])
            assert update.terms.keys() == {"one_hot", "balance", "activation", "statistics", "adversarial"}
    assert seen == {"generator": {"generator"}, "student": {"student"}}
    assert all(
        same_weights(before, snapshot(teacher)) for before, teacher in zip(teachers, method.teachers, strict=True)
    )


def test_the_adversary_seeks_a_large_distance_relative_to_the_features() -> None:
    method = simkd(two_teachers(), data_free=True, weight=0.5, adversarial_weight=3.0)
    method.set_training_mode()
    batch = make_batch(method)
    torch.manual_seed(0)
    generator, student = list(method.updates(batch))
    torch.manual_seed(0)
    with torch.no_grad():
        views = method.generator(len(batch.targets))
        size = sum(teacher.features(views).maps[0].square().mean().item() for teacher in method.teachers)
    expected = -3.0 * student.terms["feature"].item() / 0.5 / size
    assert generator.terms["adversarial"].item() == pytest.approx(expected, rel=1e-4)
    assert student.logits is None, "the labels belong to other images"


def test_the_synthesis_terms_are_those_of_numpy() -> None:
    logits = 3 * maps(11, 5, 4)
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    assert one_hot_loss(logits).item() == pytest.approx(-np.log(p.max(axis=1)).mean(), abs=1e-9)
    q = p.mean(axis=0)
    assert balance_loss(logits).item() == pytest.approx((q * np.log(q)).sum(), abs=1e-9)
    assert balance_loss(torch.eye(4) * 1000).item() == pytest.approx(-np.log(4), abs=1e-6)
    assert balance_loss(torch.eye(4)[:1].repeat(3, 1) * 1000).item() == pytest.approx(0, abs=1e-6)


def test_batch_norm_distances_are_from_the_running_statistics() -> None:
    norm = nn.BatchNorm2d(3).eval()
    norm.running_mean.copy_(torch.tensor([1.0, 0.0, -2.0]))
    norm.running_var.copy_(torch.tensor([0.5, 2.0, 1.0]))
    entering = maps(12, 4, 3, 5, 5).float()
    with batch_norm_distances(nn.Sequential(norm)) as distances:
        norm(entering)
    norm(entering)
    flat = entering.numpy().transpose(1, 0, 2, 3).reshape(3, -1)
    expected = np.linalg.norm(flat.mean(axis=1) - [1, 0, -2]) + np.linalg.norm(flat.var(axis=1) - [0.5, 2, 1])
    assert [distance.item() for distance in distances] == [pytest.approx(expected, rel=1e-5)]


def test_the_teachers_terms_are_weighed() -> None:
    teacher = settled("cifar/resnet8", image_size=8)
    views = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    seen, terms = look(teacher, CHOSEN, views, (-1,), 2.0)
    with batch_norm_distances(teacher) as distances:
        teacher(views)
    logits = seen.logits[:, CHOSEN]
    expected = {
        "one_hot": one_hot_loss(logits),
        "balance": 5 * balance_loss(logits),
        "activation": -0.1 * seen.maps[0].abs().mean(),
        "statistics": 2 * sum(distances) / len(distances),
    }
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {name: term.item() for name, term in expected.items()}, rel=1e-5
    )


@pytest.mark.parametrize("size", [8, 32, 50])
def test_the_generator_draws_images(size: int) -> None:
    torch.manual_seed(0)
    images = Generator(size)(3)
    assert images.shape == (3, 3, size, size)
    assert 0 <= images.min() < 0.3 < 0.7 < images.max() <= 1


def test_the_generator_learns_to_look_real_to_the_teacher() -> None:
    teacher = settled("cifar/resnet8", image_size=8)
    torch.manual_seed(0)
    generator = Generator(8)
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.01)
    losses = []
    for _ in range(25):
        _, terms = look(teacher, CHOSEN, generator(32), (-1,), 1.0)
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3


def test_data_free_with_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="label_weight must be 0"):
        SimkdKnobs(data_free=True, label_weight=1.0)
