"""Similarities within a batch against loops over pairs of images."""

import math
from typing import Any

import pytest
import torch
from tiny import make_batch, make_context

from core.methods.sp import Sp, sp_loss
from core.spec.knobs.sp import SpKnobs


def features(seed: Any, shape: Any = (4, 3, 2, 2)) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def similarities(maps: Any) -> list[Any]:
    rows = [[(one * other).sum().item() for other in maps] for one in maps]
    return [value / math.sqrt(sum(v**2 for v in row)) for row in rows for value in row]


def test_the_value_is_the_mean_over_pairs_of_images() -> None:
    student, teacher = features(0), features(1, (4, 5, 3, 3))
    pairs = zip(similarities(student), similarities(teacher), strict=True)
    assert sp_loss(student, teacher).item() == pytest.approx(sum((s - t) ** 2 for s, t in pairs) / 16, rel=1e-9)


def test_it_forgets_scale_rotation_and_the_order_of_images() -> None:
    student, teacher = features(2, (5, 6)), features(3, (5, 9))
    plain = sp_loss(student, teacher).item()
    rotation = torch.linalg.qr(features(4, (6, 6))).Q
    order = torch.tensor([3, 0, 4, 1, 2])
    assert sp_loss(7 * student @ rotation, teacher).item() == pytest.approx(plain, rel=1e-9)
    assert sp_loss(student[order], teacher[order]).item() == pytest.approx(plain, rel=1e-9)
    assert sp_loss(student[order], teacher).item() != pytest.approx(plain, rel=1e-2)
    assert sp_loss(student, 2 * student).item() == pytest.approx(0, abs=1e-15)


def test_one_image_says_nothing() -> None:
    assert sp_loss(features(5, (1, 6)), features(6, (1, 9))).item() == pytest.approx(0, abs=1e-15)


def test_an_image_that_excites_nothing_has_a_moderate_gradient() -> None:
    student = features(7).float()
    student[1] = 0.0
    student.requires_grad_()
    sp_loss(student, features(8)).backward()
    assert student.grad.abs().max() < 10


def test_gradcheck() -> None:
    teacher, student = features(9, (3, 4)), features(10, (3, 5)).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: sp_loss(s, teacher), student)


def test_autocast_does_not_round_the_similarities() -> None:
    student, teacher = features(11, (6, 64)).float(), features(12, (6, 64)).float()
    with torch.autocast("cpu", torch.bfloat16):
        loss = sp_loss(student, teacher)
    assert loss.item() == pytest.approx(sp_loss(student, teacher).item(), rel=1e-6)


def test_the_term_takes_the_last_maps_as_they_are() -> None:
    context = make_context(image_size=8)
    method = Sp(SpKnobs(weight=2.0), context)
    batch = make_batch(method)
    student = context.student.features(batch.views, method.needs.student_taps)
    assert len(student.maps) == 1
    expected = 2 * sp_loss(student.maps[0], batch.teacher.maps[0]).item()
    assert method.terms(student, batch)["sp"].item() == pytest.approx(expected, rel=1e-6)
