"""Correlations with the teacher against numpy's, and what they forgive."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tiny import make_context

from core.methods.contract import Batch
from core.methods.dist import Dist, dist_losses
from core.networks.network import Features
from core.spec.knobs.dist import DistKnobs

T = 4.0


def logits(seed: Any, rows: int = 5, classes: int = 7, scale: float = 3.0) -> Any:
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def correlation(a: Any, b: Any) -> Any:
    """Pearson's, with the authors' 1e-8 added to the product of the lengths."""
    a, b = a - a.mean(), b - b.mean()
    return (a @ b) / (np.sqrt(a @ a) * np.sqrt(b @ b) + 1e-8)


def numpy_dist(student: Any, teacher: Any, temperature: Any = T) -> tuple[Any, ...]:
    y_s, y_t = (softmax(z.numpy() / temperature, axis=1) for z in (student, teacher))
    inter = np.mean([correlation(a, b) for a, b in zip(y_s, y_t, strict=True)])
    intra = np.mean([correlation(a, b) for a, b in zip(y_s.T, y_t.T, strict=True)])
    return temperature**2 * (1 - inter), temperature**2 * (1 - intra)


def test_a_class_that_hardly_varies_is_damped() -> None:
    """Its product of lengths is near the authors' 1e-8; a correlation alone would not depend on its size."""
    student, teacher = logits(0, classes=3), logits(1, classes=3)
    for offset in (-8.0, -20.0):
        rare = torch.tensor([0.0, 0.0, offset], dtype=torch.float64)
        intra = dist_losses(student + rare, teacher + rare, temperature=1.0)[1].item()
        assert intra == pytest.approx(numpy_dist(student + rare, teacher + rare, 1.0)[1], abs=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_values_are_those_of_numpy(temperature: float) -> None:
    student, teacher = logits(0), logits(1)
    losses = [loss.item() for loss in dist_losses(student, teacher, temperature=temperature)]
    assert losses == pytest.approx(numpy_dist(student, teacher, temperature), abs=1e-10)
    assert abs(losses[0] - losses[1]) > 0.01, "the case must tell rows from columns"


def test_probabilities_that_the_teachers_are_a_positive_affine_map_of_cost_nothing() -> None:
    """Flattened towards the uniform distribution: each image by its own factor keeps the rows' correlations alone."""
    y_t = logits(2).softmax(dim=1)

    def logits_of(factors: Any) -> Any:
        return T * (factors * y_t + (1 - factors) / 7).log()

    same, own = (torch.tensor(f, dtype=torch.float64).view(-1, 1) for f in ([0.3] * 5, [0.3, 0.9, 0.1, 0.5, 0.7]))
    teacher = T * y_t.log()
    inter, intra = dist_losses(logits_of(same), teacher, temperature=T)
    # The 1e-8 beside the lengths keeps a correlation of 1 a little below it.
    assert inter.item() == pytest.approx(0, abs=1e-5) and intra.item() == pytest.approx(0, abs=1e-3)
    inter, intra = dist_losses(logits_of(own), teacher, temperature=T)
    assert inter.item() == pytest.approx(0, abs=1e-5) and intra.item() > 0.01


def test_the_order_of_images_within_a_class_needs_the_whole_batch() -> None:
    student, teacher = logits(3, rows=6), logits(4, rows=6)
    whole = dist_losses(student, teacher, temperature=T)
    halves = [dist_losses(student[half], teacher[half], temperature=T) for half in (slice(3), slice(3, 6))]
    assert whole[0].item() == pytest.approx((halves[0][0] + halves[1][0]).item() / 2, abs=1e-12)
    assert abs(whole[1].item() - (halves[0][1] + halves[1][1]).item() / 2) > 0.1


def test_a_single_image_has_no_order_within_a_class() -> None:
    student = logits(5, rows=1).requires_grad_()
    inter, intra = dist_losses(student, logits(6, rows=1), temperature=T)
    assert intra.item() == T**2 and inter.item() > 0.01
    intra.backward()
    assert student.grad.abs().max() == 0


def test_equal_logits_have_no_loss_and_no_gradient() -> None:
    student = logits(7).requires_grad_()
    loss = torch.stack(dist_losses(student, student.detach(), temperature=T)).sum()
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-4) and student.grad.abs().max() < 1e-4


def test_gradcheck() -> None:
    teacher = logits(8)
    assert torch.autograd.gradcheck(lambda z: dist_losses(z, teacher, temperature=T), logits(9).requires_grad_())


def test_a_constant_row_stays_finite() -> None:
    student = torch.zeros(3, 5, requires_grad=True)
    torch.stack(dist_losses(student, torch.ones(3, 5), temperature=T)).sum().backward()
    assert torch.isfinite(student.grad).all()


def test_the_terms_weigh_both_correlations_with_the_restricted_teacher() -> None:
    method = Dist(DistKnobs(weight=3.0, inter_weight=0.5, intra_weight=2.0), make_context())
    student, teacher, labels = logits(10, classes=4), logits(11, classes=6), torch.tensor([0, 1, 2, 3, 0])
    batch = Batch(torch.zeros(5, 3, 8, 8), labels, torch.arange(5), teacher=Features(teacher, None, ()))
    terms = method.terms(Features(student, None, ()), batch)
    inter, intra = numpy_dist(student, teacher[:, [5, 0, 3, 2]])
    label = -np.log(softmax(student.numpy(), axis=1)[np.arange(5), labels]).mean()
    expected = {"label": label, "inter": 1.5 * inter, "intra": 6 * intra}
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)
