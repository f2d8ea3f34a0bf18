"""Class attention transfer against loops in numpy; the maps' mean is the logits; networks without such maps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import make_batch, make_context, make_network

from core.errors import SpecInvalid
from core.methods.catkd import Catkd, catkd_loss, class_maps
from core.spec.knobs.catkd import CatkdKnobs


def draws(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_map_is_the_classifier_at_every_position_averaged() -> None:
    features, weight, bias = draws(0, 2, 5, 4, 4), draws(1, 3, 5), draws(2, 3)
    expected = np.zeros((2, 3, 2, 2))
    for image, k, y, x in np.ndindex(2, 3, 4, 4):
        activation = sum(weight[k, c].item() * features[image, c, y, x].item() for c in range(5)) + bias[k].item()
        expected[image, k, y // 2, x // 2] += activation / 4
    maps = class_maps(features, weight, bias, resolution=2)
    np.testing.assert_allclose(maps.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_loss_is_the_mean_squared_difference(normalize: bool) -> None:
    student, teacher = draws(0, 2, 3, 2, 2), draws(1, 2, 3, 2, 2)
    sides = [side.numpy() for side in (student, teacher)]
    if normalize:
        sides = [side / np.sqrt((side**2).sum(axis=(2, 3), keepdims=True)) for side in sides]
    expected = ((sides[0] - sides[1]) ** 2).mean()
    assert catkd_loss(student, teacher, normalize=normalize).item() == pytest.approx(expected, rel=1e-12)


def test_at_one_position_the_maps_are_the_logits() -> None:
    context = make_context(image_size=8)
    method = Catkd(CatkdKnobs(resolution=1, weight=0.5), context)
    batch = make_batch(method)
    student = context.student.features(batch.views, (-1,))
    assert batch.teacher is not None
    difference = student.logits - batch.teacher.logits[:, [5, 0, 3, 2]]
    expected = 0.5 * difference.square().mean().item()
    assert method.terms(student, batch)["catkd"].item() == pytest.approx(expected, rel=1e-4)


def test_the_students_classifier_learns_from_the_maps() -> None:
    context = make_context(image_size=8)
    method = Catkd(CatkdKnobs(label_weight=0.0), context)
    batch = make_batch(method)
    method.terms(context.student.features(batch.views, (-1,)), batch)["catkd"].backward()
    weight = context.student.classifier.weight
    assert weight.grad is not None and weight.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in context.teacher.parameters())


def test_maps_of_fewer_positions_are_compared_as_they_are() -> None:
    assert Catkd(CatkdKnobs(resolution=14), make_context(image_size=8)).resolution == 2


def test_a_network_without_class_maps_is_refused_by_name() -> None:
    vit = make_network("timm/vit_tiny_patch16_224", 6, image_size=32).eval()
    with pytest.raises(SpecInvalid) as refused:
        Catkd(CatkdKnobs(), replace(make_context(), teacher=vit))
    assert refused.value.pointer == "/teacher" and "timm/vit_tiny_patch16_224" in str(refused.value)
