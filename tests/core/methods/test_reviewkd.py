"""Knowledge review: the hierarchical distance against numpy, what a fusion weighs, and the warm-up."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_batch, make_context, make_network

from core.methods.contract import Stage, TrainingProgress
from core.methods.reviewkd import Fusion, Reviewkd, hierarchical_distance
from core.spec.knobs.reviewkd import ReviewkdKnobs


def feature_map(seed: Any, side: Any, channels: int = 3) -> torch.Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(2, channels, side, side, dtype=torch.float64, generator=draws)


def blocks(values: Any, side: Any) -> Any:
    step = values.shape[-1] // side
    return values.reshape(*values.shape[:2], side, step, side, step).mean(axis=(3, 5))


@pytest.mark.parametrize(
    ("side", "weights"),
    [(8, {8: 1, 4: 1 / 2, 2: 1 / 4, 1: 1 / 8}), (4, {4: 1, 2: 1 / 2, 1: 1 / 4}), (2, {2: 1, 1: 1 / 2}), (1, {1: 1})],
)
def test_resolutions_below_the_maps_own_weigh_half_of_the_one_before(side: int, weights: dict[Any, Any]) -> None:
    student, teacher = feature_map(0, side), feature_map(1, side)
    squares = {at: ((blocks(student.numpy(), at) - blocks(teacher.numpy(), at)) ** 2).mean() for at in weights}
    expected = sum(weights[at] * squares[at] for at in weights) / sum(weights.values())
    assert hierarchical_distance(student, teacher).item() == pytest.approx(expected, rel=1e-9)
    assert hierarchical_distance(student, student + 1).item() == pytest.approx(1)


def test_gradcheck() -> None:
    teacher = feature_map(2, 4, 2)
    assert torch.autograd.gradcheck(lambda s: hierarchical_distance(s, teacher), feature_map(3, 4, 2).requires_grad_())


def test_a_fusion_adds_both_maps_by_their_attention() -> None:
    fusion = Fusion(3, 2, 5).double().eval()
    own, carried = feature_map(4, 4), feature_map(5, 2, 2)
    with torch.no_grad():
        output, onward = fusion(own, carried)
        entered = fusion.enter(own).numpy()
        grown = carried.numpy().repeat(2, axis=2).repeat(2, axis=3)
        layer = fusion.attention[0]
        both = np.concatenate([entered, grown], axis=1)
        scores = np.einsum("om,nmhw->nohw", layer.weight[:, :, 0, 0].numpy(), both)
        shares = 1 / (1 + np.exp(-(scores + layer.bias.numpy()[:, None, None])))
        torch.testing.assert_close(onward.numpy(), entered * shares[:, :1] + grown * shares[:, 1:])
        torch.testing.assert_close(output, fusion.leave(onward))
    assert output.shape == (2, 5, 4, 4)


def reviewkd(context: Any = None, **knobs: Any) -> Reviewkd:
    return Reviewkd(ReviewkdKnobs(**knobs), context or make_context(image_size=8))


def test_levels_go_from_the_pooled_features_to_the_shallowest_tap() -> None:
    method = reviewkd(make_context(teacher="cifar/resnet8x4", image_size=8))
    assert [fusion.leave[0].out_channels for fusion in (*method.adapters, method.deepest)] == [64, 128, 256, 256]
    assert [fusion.enter[0].in_channels for fusion in (*method.adapters, method.deepest)] == [16, 32, 64, 64]
    assert {fusion.enter[0].out_channels for fusion in (*method.adapters, method.deepest)} == {64}
    batch = make_batch(method)
    student = method.context.student.features(batch.views, method.needs.student_taps)
    method.begin_step(TrainingProgress(Stage(), 100, 100, 0.5))
    output, carried = method.deepest(student.pooled[..., None, None])
    expected = [(output[..., 0, 0] - batch.teacher.pooled).square().mean()]
    for place in (2, 1, 0):
        output, carried = method.adapters[place](student.maps[place], carried)
        expected.append(hierarchical_distance(output, batch.teacher.maps[place]))
    terms = method.terms(student, batch)
    assert terms["reviewkd"].item() == pytest.approx(5 * sum(expected).item(), rel=1e-5)
    assert min(expected) > 0


def test_a_network_that_hits_the_teachers_maps_loses_nothing() -> None:
    class Oracle(torch.nn.Module):
        def __init__(self, answer: Any) -> None:
            super().__init__()
            self.answer = answer

        def forward(self, student_map: Any, carried: Any = None) -> tuple[Any, ...]:
            return self.answer, student_map

    method = reviewkd()
    batch = make_batch(method)
    method.adapters = torch.nn.ModuleList(Oracle(each) for each in batch.teacher.maps)
    oracle: Any = Oracle(batch.teacher.pooled[..., None, None])
    method.deepest = oracle
    student = method.context.student.features(batch.views, method.needs.student_taps)
    assert method.terms(student, batch)["reviewkd"].item() == 0


def test_the_weight_rises_over_a_share_of_the_training() -> None:
    method, ramps = reviewkd(warmup=0.4), []
    for step in range(6):
        method.begin_step(TrainingProgress(Stage(), 0, step, step / 10))
        ramps.append(method.ramp)
    assert ramps == pytest.approx([0, 0.25, 0.5, 0.75, 1.0, 1.0])
    assert reviewkd(warmup=0.0).ramp == 1.0


def test_networks_of_other_makes_and_a_single_image_meet() -> None:
    method = reviewkd(make_context(student=make_network("cifar/vgg8"), teacher="cifar/resnet14"))
    method.set_training_mode()
    batch = make_batch(method, 1, size=32)
    assert all(torch.isfinite(term) for term in next(method.updates(batch)).terms.values())
