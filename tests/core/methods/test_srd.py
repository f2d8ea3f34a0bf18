"""The logarithmic distance of normalized features against torch's own batch norm, and the projector."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tiny import make_batch, make_context, make_network
from torch import nn

from core.methods.srd import Srd, feature_loss, over_the_batch
from core.spec.knobs.srd import SrdKnobs


def features(seed: Any, rows: int = 6, width: int = 5) -> Any:
    return 2 + 3 * torch.randn(rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_normalization_is_a_batch_norms_in_training() -> None:
    norm = nn.BatchNorm1d(5, affine=False, eps=1e-4, dtype=torch.float64).train()
    torch.testing.assert_close(over_the_batch(features(0)), norm(features(0)))


@pytest.mark.parametrize("exponent", [1.0, 2.0, 4.0])
def test_the_feature_term_is_that_of_numpy(exponent: float) -> None:
    student, teacher = features(1), features(2)
    a, b = ((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-4) for x in (student.numpy(), teacher.numpy()))
    expected = math.log((abs(a - b) ** exponent).sum())
    assert feature_loss(student, teacher, exponent=exponent).item() == pytest.approx(expected, abs=1e-10)


def test_it_forgets_scale_and_offset_of_each_width() -> None:
    student, teacher = features(3), features(4)
    scale, offset = torch.tensor([0.5, 2.0, 1.0, 30.0, 4.0]).double(), features(5, rows=1)
    plain = feature_loss(student, teacher, exponent=4.0).item()
    assert feature_loss(scale * student + offset, teacher, exponent=4.0).item() == pytest.approx(plain, abs=1e-3)


def test_gradcheck() -> None:
    teacher = features(6)
    assert torch.autograd.gradcheck(lambda x: feature_loss(x, teacher, exponent=4.0), features(7).requires_grad_())


@pytest.mark.parametrize("rows", [1, 6])
def test_features_that_agree_stay_finite(rows: int) -> None:
    student = features(8, rows=rows).requires_grad_()
    loss = feature_loss(student, student.detach(), exponent=4.0)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(student.grad).all()


def test_half_precision_is_computed_in_float32() -> None:
    student, teacher = features(9).bfloat16(), features(10).bfloat16()
    loss = feature_loss(student, teacher, exponent=4.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(feature_loss(student.double(), teacher.double(), exponent=4.0).item(), rel=1e-5)


def test_the_terms_have_the_authors_weights() -> None:
    context = make_context(teacher="cifar/resnet8x4", image_size=8)
    method = Srd(SrdKnobs(), context)
    batch = make_batch(method)
    context.student.eval()
    terms = next(method.updates(batch)).terms
    with torch.no_grad():
        seen = context.student.features(batch.views)
        projected = seen.pooled @ method.projector.weight.T
        assert projected.shape == (6, 256)
        norm = nn.BatchNorm1d(256, affine=False, eps=1e-4).train()
        distance = (norm(projected) - norm(context.teacher.features(batch.views).pooled)).pow(4).sum().log()
        z_t = context.teacher(batch.views).numpy()[:, [5, 0, 3, 2]]
    p_s, p_t = softmax(seen.logits.numpy(), axis=1), softmax(z_t, axis=1)
    label = -np.log(p_s[np.arange(6), batch.targets]).mean()
    expected = {"label": label, "feature": 2 * distance.item(), "kd": (p_t * np.log(p_t / p_s)).sum(axis=1).mean()}
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-4)


def test_the_projector_is_not_deployed_and_changes_no_other_random_draw() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    method = Srd(SrdKnobs(), make_context())
    assert torch.equal(torch.rand(4), expected)
    assert method.deployed().state_dict().keys() == make_network("cifar/resnet8").state_dict().keys()
