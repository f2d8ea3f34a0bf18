"""Correlation of channels: what the method adds to the distance, which test_skd holds against numpy."""

import numpy as np
import pytest
import torch
from tiny import make_batch, make_context

from core.methods.pkd import Pkd
from core.spec.knobs.pkd import PkdKnobs


def test_the_term_is_one_minus_the_mean_correlation() -> None:
    context = make_context(image_size=8)
    method = Pkd(PkdKnobs(weight=3.0, taps="last"), context)
    assert list(method.parameters()) == [], "both maps have 64 channels"
    batch = make_batch(method)
    student = context.student.features(batch.views, method.needs.student_taps)
    s, t = (each.maps[0].detach().double().numpy() for each in (student, batch.teacher))
    alive = [c for c in range(64) if s[:, c].std() > 1e-9 and t[:, c].std() > 1e-9]
    correlations = [np.corrcoef(s[:, c].ravel(), t[:, c].ravel())[0, 1] for c in alive]
    # A dead channel is standardized to zero: half the mean square of the other side, which is 1/2 where that is alive.
    half_dead = sum((s[:, c].std() > 1e-9) != (t[:, c].std() > 1e-9) for c in range(64))
    n = s[:, 0].size
    expected = (n - 1) / n * (sum(1 - r for r in correlations) + half_dead / 2) / 64
    assert method.terms(student, batch)["pkd"].item() == pytest.approx(3 * expected, rel=1e-3)


def test_other_channels_meet_through_a_convolution_that_is_learned() -> None:
    method = Pkd(PkdKnobs(taps="last"), make_context(teacher="cifar/resnet8x4", image_size=8))
    (convolution,) = method.adapters
    assert convolution.weight.shape == (256, 64, 1, 1) and convolution.bias is None
    sum(next(method.updates(make_batch(method))).terms.values()).backward()
    assert convolution.weight.grad.abs().max() > 0


def test_left_alone_it_compares_one_map_of_each_resolution_and_adds_up() -> None:
    method = Pkd(PkdKnobs(), make_context(image_size=8))
    batch = make_batch(method)
    student = method.context.student.features(batch.views, method.needs.student_taps)
    assert [each.shape[-1] for each in student.maps] == [8, 4, 2]
    alone = [
        method.distance(*each).item() for each in zip(method.adapters, student.maps, batch.teacher.maps, strict=True)
    ]
    assert min(alone) > 0 and method.distances(student, batch).item() == pytest.approx(sum(alone), rel=1e-5)


def test_one_image_of_one_place_is_finite() -> None:
    method = Pkd(PkdKnobs(), make_context(image_size=8))
    student = torch.rand(1, 64, 1, 1, requires_grad=True)
    distance = method.distance(torch.nn.Identity(), student, torch.rand(1, 64, 1, 1))
    distance.backward()
    assert distance.item() == pytest.approx(0, abs=1e-9) and torch.isfinite(student.grad).all()
