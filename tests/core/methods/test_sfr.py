"""Local matching against brute force over all permutations, channels many to one, and labels that grow smoother."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_batch, make_context, make_network
from torch.nn import functional

from core.errors import SpecInvalid
from core.methods.contract import Batch, Stage, TrainingProgress
from core.methods.sfr import Sfr, emd, grouped_channels, local_loss, own_taps, transport_plan
from core.networks.zoo import build
from core.spec.knobs.sfr import SfrKnobs

PERMUTED = torch.tensor([3, 0, 4, 1, 2])


def cloud(seed: Any, places: int = 5, channels: int = 3, count: int = 2) -> torch.Tensor:
    return torch.randn(count, places, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def feature_map(seed: Any, shape: Any) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def exact(shallow: Any, deep: Any) -> tuple[list[Any], ...]:
    """The cheapest of all matchings, and which it is, image by image."""
    found = []
    for s, d in zip(shallow.detach().numpy(), deep.numpy(), strict=True):
        costs = {order: np.mean(((s - d[list(order)]) ** 2).sum(axis=1)) for order in permutations(range(len(s)))}
        order = min(costs, key=costs.get)
        found.append((costs[order], order))
    return [cost for cost, _ in found], [list(order) for _, order in found]


def sharp(shallow: Any, deep: Any) -> Any:
    return emd(shallow, deep, entropy=2e-3, iterations=2000)


def test_sinkhorn_goes_to_the_exact_distance() -> None:
    shallow, deep = cloud(0), cloud(1)
    expected, _ = exact(shallow, deep)
    assert sharp(shallow, deep).tolist() == pytest.approx(expected, rel=0.01)
    assert emd(shallow, deep).tolist() == pytest.approx(expected, rel=0.1)
    assert (sharp(shallow, deep) <= (shallow - deep).square().sum(dim=2).mean(dim=1)).all()
    torch.testing.assert_close(sharp(shallow, deep), sharp(deep, shallow), rtol=1e-2, atol=0)


@pytest.mark.parametrize("cost", [torch.zeros(2, 4, 4), torch.rand(2, 4, 4), 1e6 * torch.rand(2, 4, 4)])
def test_a_plan_gives_every_place_its_share(cost: Any) -> None:
    plan = transport_plan(cost, iterations=500)
    assert torch.isfinite(plan).all() and plan.min() >= 0
    torch.testing.assert_close(plan.sum(dim=1), torch.full((2, 4), 0.25), atol=1e-5, rtol=0)
    torch.testing.assert_close(plan.sum(dim=2), torch.full((2, 4), 0.25), atol=1e-3, rtol=0)


def test_the_same_vectors_in_other_places_have_no_distance() -> None:
    shallow = cloud(2)
    deep = shallow[:, PERMUTED]
    assert (shallow - deep).square().mean() > 0.5, "place by place they differ"
    assert emd(shallow, deep).abs().max() < 0.02


def test_a_shift_adds_its_squared_length() -> None:
    shallow, shift = cloud(3), torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    assert sharp(shallow, shallow[:, PERMUTED] + shift).tolist() == pytest.approx([5.25, 5.25], rel=0.01)


def test_one_place_is_the_squared_difference() -> None:
    shallow, deep = cloud(4, places=1), cloud(5, places=1)
    torch.testing.assert_close(emd(shallow, deep), (shallow - deep).square().sum(dim=(1, 2)))


def test_the_gradient_holds_the_plan_and_leaves_the_deep_map_alone() -> None:
    """With an exact matching it is 2 (s_u - d_match(u)) / P: the slope of the exact distance."""
    shallow, deep = cloud(6).requires_grad_(), cloud(7).requires_grad_()
    _, orders = exact(shallow, deep.detach())
    matched = torch.stack([each[order] for each, order in zip(deep.detach(), orders, strict=True)])
    emd(shallow, deep, entropy=5e-4, iterations=5000).sum().backward()
    torch.testing.assert_close(shallow.grad, 2 * (shallow - matched).detach() / 5, atol=1e-3, rtol=0)
    assert deep.grad is None


def test_gradcheck_with_a_plan_that_cannot_change() -> None:
    deep = feature_map(8, (2, 6, 1, 1))
    assert torch.autograd.gradcheck(
        lambda s: local_loss(s, deep, grid=4, matched=True), feature_map(9, (2, 3, 2, 2)).requires_grad_()
    )
    assert torch.autograd.gradcheck(
        lambda s: local_loss(s, feature_map(10, (2, 6, 2, 2)), grid=4, matched=False),
        feature_map(11, (2, 3, 4, 4)).requires_grad_(),
    )


def test_groups_of_channels_are_averaged_in_order() -> None:
    deep = feature_map(12, (2, 6, 3, 3))
    np.testing.assert_allclose(grouped_channels(deep, 2), deep.numpy().reshape(2, 2, 3, 3, 3).mean(axis=2), atol=1e-12)
    assert grouped_channels(deep, 6) is deep
    assert grouped_channels(deep, 4).shape == (2, 4, 3, 3), "also where they do not divide"


def test_averaged_channels_teach_as_all_slices_together_would() -> None:
    """With one plan, the mean over the slices of the deep map differs from the loss on their mean by a constant."""
    deep = feature_map(13, (2, 6, 3, 3))
    gradients = []
    for targets in ([grouped_channels(deep, 3)], [deep[:, k::2] for k in range(2)]):
        shallow = feature_map(14, (2, 3, 3, 3)).requires_grad_()
        clouds = [each.flatten(2).transpose(1, 2) for each in (shallow, *targets)]
        costs = [(clouds[0].unsqueeze(2) - each.unsqueeze(1)).square().sum(dim=3) for each in clouds[1:]]
        plan = transport_plan(torch.stack(costs).mean(dim=0), entropy=0.02, iterations=3000)
        if len(targets) == 1:
            plans = [plan]
            local_loss(shallow, deep, grid=4, matched=False).backward(inputs=[shallow])
            unmatched, shallow.grad = shallow.grad, None
        torch.stack([(plans[0] * cost).sum() for cost in costs]).mean().backward()
        gradients.append(shallow.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
    assert not torch.allclose(unmatched, gradients[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: Any) -> None:
    shallow, deep = feature_map(15, (2, 4, 4, 4)).to(dtype), feature_map(16, (2, 8, 2, 2)).to(dtype)
    loss = local_loss(shallow, deep, grid=4, matched=True)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(
        local_loss(shallow.double(), deep.double(), grid=4, matched=True).item(), rel=1e-3
    )


def sfr(context: Any = None, **knobs: Any) -> Sfr:
    return Sfr(SfrKnobs(**knobs), context or make_context())


def at(method: Any, fraction: Any) -> Any:
    method.begin_epoch(TrainingProgress(Stage(), 0, 0, fraction))
    return method


def test_the_term_sums_the_distances_of_the_earlier_maps_to_the_last() -> None:
    method = sfr(weight=0.7, matched=False, grid=2)
    batch = make_batch(method, 4, size=32)
    student = method.context.student.features(batch.views, method.needs.student_taps)
    *shallow, deep = (each.detach().numpy().astype(np.float64) for each in student.maps)
    expected = 0.0
    for each in shallow:
        pooled = [
            m.reshape(*m.shape[:2], 2, m.shape[2] // 2, 2, m.shape[3] // 2).mean(axis=(3, 5)) for m in (each, deep)
        ]
        many = pooled[1].reshape(4, each.shape[1], -1, 2, 2).mean(axis=2)
        expected += 0.7 * ((pooled[0] - many) ** 2).mean()
    assert len(shallow) == 2 and expected > 0
    assert method.terms(student, batch)["local"].item() == pytest.approx(expected, rel=1e-4)


def test_each_part_can_be_switched_off() -> None:
    off = sfr(weight=0.0, smoothing=0.0)
    assert off.needs.student_taps == () and not list(off.parameters())
    assert set(next(off.updates(make_batch(off))).terms) == {"label"}
    assert list(sfr().parameters()) == []
    adapters = sfr(channels="adapter").adapters
    assert [tuple(each.weight.shape) for each in adapters] == [(64, 16, 1, 1), (64, 32, 1, 1)]


def test_no_gradient_comes_from_the_deep_maps_own_layers() -> None:
    method = sfr()
    next(method.updates(make_batch(method))).terms["local"].backward()
    named = dict(method.context.student.module.named_parameters())
    assert named["layer2.0.conv1.weight"].grad.abs().max() > 0
    assert named["layer3.0.conv1.weight"].grad is None


@pytest.mark.parametrize(("fraction", "smooth"), [(0.0, 0.05), (0.5, 0.1), (1.0, 0.15)])
def test_labels_grow_smoother(fraction: float, smooth: float) -> None:
    method = at(sfr(make_context(label_smoothing=0.05), smoothing=0.1), fraction)
    logits, labels = feature_map(17, (5, 4)), torch.tensor([0, 1, 2, 3, 0])
    batch = Batch(torch.zeros(5, 3, 8, 8), labels, torch.arange(5))
    rows = (1 - smooth) * np.eye(4)[labels] + smooth / 4
    log_p = logits.numpy() - np.log(np.exp(logits.numpy()).sum(axis=1, keepdims=True))
    assert method.label_loss(logits, batch).item() == pytest.approx(-(rows * log_p).sum(axis=1).mean(), abs=1e-6)


def test_without_smoothing_it_is_the_cross_entropy() -> None:
    method = at(sfr(smoothing=0.0), 0.9)
    batch = make_batch(method)
    logits = feature_map(18, (6, 4)).float()
    assert torch.equal(method.label_loss(logits, batch), functional.cross_entropy(logits, batch.targets))
    assert at(sfr(make_context(label_smoothing=0.9), smoothing=1.0), 0.9).smoothing == 1.0


def test_a_network_of_one_resolution_is_tapped_at_a_few_blocks() -> None:
    vit = build("timm/test_vit", 4, image_size=160)
    assert [point.path for point in own_taps("all", vit)][-1] == vit.tap_points[-1].path
    assert [point.path for point in own_taps("all", vit)][:-1] == ["blocks.0", "blocks.1", "blocks.2"]
    method = sfr(make_context(student=vit))
    assert next(method.updates(make_batch(method, 2, size=160))).terms["local"] > 0


def test_taps_by_path() -> None:
    method = sfr(taps=("layer1.0.bn1", "layer2"))
    assert method.needs.student_taps == ("layer1.0.bn1", "layer2")
    with pytest.raises(SpecInvalid, match="unknown tap 'layr'"):
        sfr(taps=("layr", "layer2"))
    lonely = make_network("cifar/resnet8")
    lonely.tap_points = lonely.tap_points[-1:]
    with pytest.raises(SpecInvalid, match="a map needs a deeper one"):
        sfr(make_context(student=lonely))
