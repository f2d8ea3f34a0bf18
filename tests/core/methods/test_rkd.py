"""Distances and angles between images against loops over pairs and triplets."""

import math
from typing import Any

import pytest
import torch
from tiny import make_batch, make_context

from core.methods.rkd import Rkd, angle_loss, distance_loss
from core.spec.knobs.rkd import RkdKnobs


def features(seed: Any, rows: int = 5, width: int = 4) -> torch.Tensor:
    return torch.randn(rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def huber(difference: Any) -> Any:
    return difference**2 / 2 if abs(difference) < 1 else abs(difference) - 0.5


def relative_distances(rows: Any) -> Any:
    distances = {(i, j): math.dist(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows)}
    positive = [value for value in distances.values() if value > 0]
    return {pair: value * len(positive) / sum(positive) for pair, value in distances.items()}


def cosines(rows: Any) -> Any:
    def cosine(i: Any, j: Any, k: Any) -> Any:
        left, right = ([a - b for a, b in zip(rows[end], rows[i], strict=True)] for end in (j, k))
        size = math.hypot(*left) * math.hypot(*right)
        return sum(a * b for a, b in zip(left, right, strict=True)) / size if size else 0.0

    count = range(len(rows))
    return {(i, j, k): cosine(i, j, k) for i in count for j in count for k in count}


@pytest.mark.parametrize(("loss", "relations"), [(distance_loss, relative_distances), (angle_loss, cosines)])
def test_the_value_is_the_mean_huber_of_all_pairs_or_triplets(loss: Any, relations: Any) -> None:
    student, teacher = features(0), 3 * features(1, width=6)
    ours, theirs = relations(student.tolist()), relations(teacher.tolist())
    expected = sum(huber(ours[key] - theirs[key]) for key in ours) / len(ours)
    assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-9)
    assert expected > 0.01


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_scale_rotation_and_translation_change_nothing(loss: Any) -> None:
    student, teacher = features(2), features(3)
    rotation = torch.linalg.qr(features(4, rows=4)).Q
    moved = 7 * student @ rotation + features(5, rows=1)
    assert loss(moved, teacher).item() == pytest.approx(loss(student, teacher).item(), rel=1e-9)
    assert loss(moved, student).item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_gradcheck(loss: Any) -> None:
    teacher = features(6, rows=4)
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), features(7, rows=4).requires_grad_())


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_images_that_the_student_cannot_tell_apart_have_a_moderate_gradient(loss: Any) -> None:
    student = features(8).float()
    student[1] = student[0]
    student.requires_grad_()
    loss(student, features(9)).backward()
    assert torch.isfinite(student.grad).all() and 0 < student.grad.abs().max() < 10


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
def test_one_image_and_a_collapsed_student_are_finite(loss: Any) -> None:
    assert loss(features(10, rows=1), features(11, rows=1)).item() == 0
    student = torch.ones(4, 3, requires_grad=True)
    value = loss(student, features(12, rows=4))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(student.grad).all()


def test_both_terms_have_their_weights() -> None:
    context = make_context(image_size=8)
    method = Rkd(RkdKnobs(distance_weight=2.0, angle_weight=3.0), context)
    batch = make_batch(method)
    student = context.student.features(batch.views, ())
    terms, pooled = method.terms(student, batch), (student.pooled, batch.teacher.pooled)
    assert terms["distance"].item() == pytest.approx(2 * distance_loss(*pooled).item())
    assert terms["angle"].item() == pytest.approx(3 * angle_loss(*pooled).item())
