"""Attention transfer against loops over images and places."""

import math
from typing import Any

import pytest
import torch
from tiny import make_batch, make_context

from core.methods.at import At, at_loss
from core.spec.knobs.at import AtKnobs


def feature_map(seed: Any, shape: Any = (3, 5, 4, 4)) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def attention(image: Any) -> list[Any]:
    """One image's places, row by row: mean squared activation, at length 1."""
    places = [(h, w) for h in range(image.shape[1]) for w in range(image.shape[2])]
    energy = [sum(image[c, h, w].item() ** 2 for c in range(len(image))) / len(image) for h, w in places]
    length = math.sqrt(sum(value**2 for value in energy))
    return [value / length for value in energy]


def test_the_value_is_the_mean_over_images_and_places() -> None:
    student, teacher = feature_map(0), feature_map(1, (3, 7, 4, 4))
    squares = [
        (s - t) ** 2
        for left, right in zip(student, teacher, strict=True)
        for s, t in zip(attention(left), attention(right), strict=True)
    ]
    assert at_loss(student, teacher).item() == pytest.approx(sum(squares) / (3 * 16), rel=1e-9)


def test_it_forgets_scale_and_is_zero_where_both_agree() -> None:
    student, teacher = feature_map(2), feature_map(3)
    assert at_loss(3 * student, 0.1 * teacher).item() == pytest.approx(at_loss(student, teacher).item(), rel=1e-9)
    assert at_loss(-2 * student, student).item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("side", [2, 4])
def test_a_tap_lies_between_zero_and_two_over_its_places(side: int) -> None:
    left, right = torch.zeros(2, 3, side, side), torch.zeros(2, 3, side, side)
    left[..., 0, 0], right[..., -1, -1] = 5.0, 0.1
    assert at_loss(left, right).item() == pytest.approx(2 / side**2)


def test_gradcheck() -> None:
    teacher, student = feature_map(4, (2, 3, 2, 2)), feature_map(5, (2, 3, 2, 2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: at_loss(s, teacher), student)


def test_the_term_adds_the_taps_up_with_the_larger_map_pooled() -> None:
    context = make_context(image_size=8)
    method = At(AtKnobs(weight=10.0, label_weight=0.0), context)
    batch = make_batch(method)
    student = context.student.features(batch.views, method.needs.student_taps)
    terms = method.terms(student, batch)
    each = [at_loss(s, t).item() for s, t in zip(student.maps, batch.teacher.maps, strict=True)]
    assert len(each) == 3 and min(each) > 0
    assert terms["at"].item() == pytest.approx(10 * sum(each), rel=1e-5)
    assert terms["label"].item() == 0
    coarse, fine = feature_map(6, (2, 3, 2, 2)), feature_map(7, (2, 3, 4, 4))
    blocks = fine.reshape(2, 3, 2, 2, 2, 2).mean(dim=(3, 5))
    assert method.distance(torch.nn.Identity(), coarse, fine).item() == pytest.approx(at_loss(coarse, blocks).item())


def test_it_has_nothing_to_learn() -> None:
    assert list(At(AtKnobs(), make_context(image_size=8)).parameters()) == []
