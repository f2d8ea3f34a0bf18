"""Neighbour probabilities against loops over pairs of images."""

import math
from typing import Any

import pytest
import torch
from tiny import make_batch, make_context

from core.methods.pkt import Pkt, pkt_loss
from core.spec.knobs.pkt import PktKnobs


def features(seed: Any, rows: int = 5, width: int = 4) -> torch.Tensor:
    return torch.randn(rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def probabilities(rows: Any) -> list[Any]:
    def kernel(a: Any, b: Any) -> Any:
        return (1 + sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))) / 2

    kernels = [[kernel(a, b) for b in rows] for a in rows]
    return [value / sum(row) for row in kernels for value in row]


def test_the_value_is_the_mean_over_pairs() -> None:
    student, teacher = features(0), features(1, width=7)
    pairs = list(zip(probabilities(student.tolist()), probabilities(teacher.tolist()), strict=True))
    expected = sum(t * math.log(t / s) for s, t in pairs) / 25
    assert pkt_loss(student, teacher).item() == pytest.approx(expected, rel=1e-4)
    assert pkt_loss(teacher, student).item() != pytest.approx(expected, rel=1e-2), "the direction must be told apart"


def test_it_is_positive_zero_where_both_agree_and_forgets_each_images_scale() -> None:
    student, teacher = features(2), features(3)
    plain = pkt_loss(student, teacher).item()
    scales = torch.tensor([0.1, 1, 2, 5, 30]).double()[:, None]
    assert plain > 0
    assert pkt_loss(scales * student, teacher).item() == pytest.approx(plain, rel=1e-9)
    assert pkt_loss(scales * student, student).item() == pytest.approx(0, abs=1e-15)
    assert pkt_loss(features(4, rows=1), features(5, rows=1)).item() == 0


def test_gradcheck() -> None:
    teacher = features(6, rows=4)
    assert torch.autograd.gradcheck(lambda s: pkt_loss(s, teacher), features(7, rows=4).requires_grad_())


def test_dead_features_have_a_moderate_gradient() -> None:
    student = features(8).float()
    student[2] = 0.0
    student.requires_grad_()
    pkt_loss(student, features(9)).backward()
    assert torch.isfinite(student.grad).all() and student.grad.abs().max() < 10


def test_the_term_compares_pooled_features() -> None:
    context = make_context(image_size=8)
    method = Pkt(PktKnobs(weight=100.0), context)
    batch = make_batch(method)
    student = context.student.features(batch.views, ())
    expected = 100 * pkt_loss(student.pooled, batch.teacher.pooled).item()
    assert method.terms(student, batch)["pkt"].item() == pytest.approx(expected)
