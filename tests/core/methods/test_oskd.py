"""Subclass neighbours: a worked example, brute force, and what they may never be."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_batch, make_context

from core.methods.contract import Stage, TrainingProgress
from core.methods.oskd import Oskd, distribution_loss, neighbour_targets, regression_loss
from core.spec.knobs.oskd import OskdKnobs


def cloud(seed: Any, rows: int = 12, width: int = 5) -> torch.Tensor:
    return torch.randn(rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def brute_targets(outputs: Any, classes: Any, k: Any) -> Any:
    """Row by row, by sorting."""
    targets = outputs.copy()
    for i, own in enumerate(classes):
        partners = [j for j, other in enumerate(classes) if other == own and j != i]
        nearest = sorted(partners, key=lambda j: np.linalg.norm(outputs[i] - outputs[j]))[:k]
        if nearest:
            targets[i] = np.mean([outputs[j] for j in nearest], axis=0)
    return targets


def test_three_points_of_one_class() -> None:
    """0, 1 and 10: the nearest are 1, 0 and 1, the errors 1, 1 and 81."""
    outputs = torch.tensor([[0.0], [1.0], [10.0]], dtype=torch.float64)
    targets, has_partner = neighbour_targets(outputs, torch.zeros(3, dtype=torch.int64), num_neighbours=1)
    assert targets.flatten().tolist() == [1.0, 0.0, 1.0] and has_partner.all()
    assert regression_loss(outputs, targets, has_partner).item() == pytest.approx(83 / 3)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_targets_are_those_of_brute_force(k: int) -> None:
    outputs, classes = cloud(0), torch.tensor([0, 1, 0, 0, 2, 1, 0, 1, 3, 0, 1, 2])
    targets, has_partner = neighbour_targets(outputs, classes, num_neighbours=k)
    np.testing.assert_allclose(targets.numpy(), brute_targets(outputs.numpy(), classes.tolist(), k), atol=1e-12)
    assert has_partner.tolist() == [own != 3 for own in classes.tolist()]


@pytest.mark.parametrize("form", ["regression", "distribution"])
def test_an_image_alone_of_its_class_gives_nothing(form: str) -> None:
    outputs, classes = cloud(1, rows=4).requires_grad_(), torch.tensor([0, 0, 1, 2])
    targets, has_partner = neighbour_targets(outputs, classes, num_neighbours=2)
    loss = regression_loss(outputs, targets, has_partner)
    if form == "distribution":
        loss = distribution_loss(outputs, targets, has_partner, temperature=2.0)
    loss.backward()
    assert loss > 0 and outputs.grad[:2].abs().min() > 0
    assert torch.equal(outputs.grad[2:], torch.zeros(2, 5, dtype=torch.float64))
    pair = regression_loss(*(each[:2] for each in (outputs, targets, has_partner)))
    assert regression_loss(outputs, targets, has_partner).item() == pytest.approx(pair.item() / 2)


def test_equal_images_of_a_class_have_no_loss_and_other_classes_do_not_matter() -> None:
    outputs = torch.cat([cloud(2, rows=1), cloud(2, rows=1), cloud(3, rows=2)])
    targets, has_partner = neighbour_targets(outputs, torch.tensor([0, 0, 1, 2]), num_neighbours=1)
    assert regression_loss(outputs, targets, has_partner).item() == 0
    assert distribution_loss(outputs, targets, has_partner, temperature=4.0).item() == 0


def test_the_gradient_reaches_the_image_alone_not_its_neighbours() -> None:
    outputs, classes = cloud(4).requires_grad_(), torch.arange(12) % 3
    targets, has_partner = neighbour_targets(outputs, classes, num_neighbours=2)
    assert not targets.requires_grad
    regression_loss(outputs, targets, has_partner).backward()
    expected = 2 * (outputs.detach() - targets) / (12 * 5)
    torch.testing.assert_close(outputs.grad, expected, atol=1e-14, rtol=0)


def test_gradcheck() -> None:
    targets, has_partner = cloud(5, 4), torch.tensor([True, False, True, True])
    assert torch.autograd.gradcheck(lambda o: regression_loss(o, targets, has_partner), cloud(6, 4).requires_grad_())
    assert torch.autograd.gradcheck(
        lambda o: distribution_loss(o, targets, has_partner, temperature=3.0), cloud(7, 4).requires_grad_()
    )


def test_the_order_of_the_batch_does_not_matter() -> None:
    outputs, classes, order = cloud(8), torch.arange(12) % 4, torch.randperm(12)
    targets, _ = neighbour_targets(outputs, classes, num_neighbours=2)
    shuffled, _ = neighbour_targets(outputs[order], classes[order], num_neighbours=2)
    torch.testing.assert_close(shuffled, targets[order], atol=1e-14, rtol=0)


def test_two_subclasses_shrink_but_stay_apart() -> None:
    """Descending on the loss alone, two far clouds of one class do not meet."""
    points = torch.cat([cloud(9, 6), cloud(10, 6) + 20]).requires_grad_()
    before = points.detach().clone()
    for _ in range(100):
        loss = regression_loss(points, *neighbour_targets(points, torch.zeros(12), num_neighbours=2))
        (gradient,) = torch.autograd.grad(loss, points)
        points = (points - 5 * gradient).detach().requires_grad_()
    for rows in (slice(0, 6), slice(6, 12)):
        assert points[rows].std(dim=0).mean() < 0.5 * before[rows].std(dim=0).mean()
    assert (points[6:].mean() - points[:6].mean()).item() == pytest.approx(20, abs=1)


def test_divergence_and_distance_are_those_of_numpy() -> None:
    outputs, targets = cloud(11, 3), cloud(12, 3)
    p, q = (np.exp(each.numpy() / 2) for each in (outputs, targets))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    everyone = torch.ones(3, dtype=torch.bool)
    expected = 4 * (q * np.log(q / p)).sum(axis=1).mean()
    assert distribution_loss(outputs, targets, everyone, temperature=2.0).item() == pytest.approx(expected)
    expected = ((outputs - targets).numpy() ** 2).mean()
    assert regression_loss(outputs, targets, everyone).item() == pytest.approx(expected)


@pytest.mark.parametrize("form", ["logits", "pooled", "distribution"])
def test_the_term_is_the_weighted_loss_of_the_form_without_any_memory(form: str) -> None:
    method = Oskd(Oskd.resolved(OskdKnobs(form=form, num_neighbours=1, temperature=2.0)), make_context(image_size=8))
    assert method.knobs.weight == {"logits": 0.1, "pooled": 0.1, "distribution": 1.0}[form]
    assert not method.state_dict()
    batch = make_batch(method, 8)
    student = method.context.student.features(batch.views, ())
    outputs = student.pooled if form == "pooled" else student.logits
    targets = torch.from_numpy(brute_targets(outputs.detach().numpy(), batch.targets.tolist(), 1))
    shared = torch.tensor([(batch.targets == own).sum() > 1 for own in batch.targets])
    expected = 0.1 * regression_loss(outputs, targets, shared)
    if form == "distribution":
        expected = distribution_loss(outputs, targets, shared, temperature=2.0)
    assert method.terms(student, batch)["subclass"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert expected.item() > 0


def test_the_term_grows_over_the_warm_up() -> None:
    method = Oskd(Oskd.resolved(OskdKnobs(warmup_epochs=4)), make_context(image_size=8))
    batch, seen = make_batch(method), []
    for epoch in (0, 1, 3, 100):
        method.begin_epoch(TrainingProgress(Stage(), epoch, epoch * 5, epoch / 240))
        seen.append(next(method.updates(batch)).terms["subclass"].item())
    assert [value / seen[3] for value in seen] == pytest.approx([0.25, 0.5, 1.0, 1.0], rel=1e-5)
