"""The Mahalanobis length of the Gram matrices' difference against numpy's inverse."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tiny import make_context

from core.methods.contract import Batch
from core.methods.streamlined import Streamlined, direction_loss
from core.networks.network import Features
from core.spec.knobs.streamlined import StreamlinedKnobs


def logits(seed: Any, rows: int = 5, classes: int = 7, scale: float = 3.0) -> Any:
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def numpy_direction(student: Any, teacher: Any, ridge: Any) -> Any:
    u_s, u_t = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (student, teacher))
    d = u_s @ u_s.T - u_t @ u_t.T
    inverse = np.linalg.inv(np.cov(d, rowvar=False) + ridge * np.eye(len(d)))
    return np.mean([np.sqrt(row @ inverse @ row) for row in d])


@pytest.mark.parametrize("ridge", [0.01, 0.1, 10.0])
def test_the_direction_term_is_that_of_numpy(ridge: float) -> None:
    student, teacher = logits(0), logits(1)
    expected = numpy_direction(student.numpy(), teacher.numpy(), ridge)
    assert direction_loss(student, teacher, ridge=ridge).item() == pytest.approx(expected, rel=1e-10)


def test_it_forgets_the_length_of_each_row_and_any_rotation_of_the_classes() -> None:
    student, teacher = logits(2), logits(3)
    plain = direction_loss(student, teacher, ridge=0.1).item()
    scales = torch.tensor([[0.5], [1.0], [2.0], [9.0], [0.1]], dtype=torch.float64)
    assert direction_loss(scales * student, teacher, ridge=0.1).item() == pytest.approx(plain, rel=1e-10)
    rotation = torch.linalg.qr(logits(4, rows=7)).Q
    assert direction_loss(student @ rotation, teacher, ridge=0.1).item() == pytest.approx(plain, rel=1e-10)


def test_equal_networks_have_no_loss_and_a_gradient_without_nan() -> None:
    student = logits(5).requires_grad_()
    loss = direction_loss(student, student.detach(), ridge=0.1)
    loss.backward()
    assert loss.item() == 0 and student.grad.abs().max() == 0


def test_gradcheck() -> None:
    teacher = logits(6)
    assert torch.autograd.gradcheck(lambda z: direction_loss(z, teacher, ridge=0.1), logits(7).requires_grad_())


def test_a_single_image_has_nothing_to_be_compared_with() -> None:
    student = logits(8, rows=1).requires_grad_()
    loss = direction_loss(student, logits(9, rows=1), ridge=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12) and torch.isfinite(student.grad).all()


def test_products_stay_in_float32_under_autocast() -> None:
    student, teacher = logits(10).float(), logits(11).float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = direction_loss(student, teacher, ridge=0.1)
    assert torch.equal(inside, direction_loss(student, teacher, ridge=0.1))


def test_the_image_level_term_has_no_factor_t_squared_and_no_label_is_asked_for() -> None:
    method = Streamlined(StreamlinedKnobs(instance_weight=2.0, direction_weight=3.0), make_context())
    student, teacher = logits(12, classes=4), logits(13, classes=6)
    batch = Batch(torch.zeros(5, 3, 8, 8), torch.zeros(5).long(), torch.arange(5), teacher=Features(teacher, None, ()))
    terms = method.terms(Features(student, None, ()), batch)
    chosen = teacher.numpy()[:, [5, 0, 3, 2]]
    p_s, p_t = softmax(student.numpy() / 4, axis=1), softmax(chosen / 4, axis=1)
    instance = 2 * (p_t * np.log(p_t / p_s)).sum(axis=1).mean()
    expected = {"instance": instance, "direction": 3 * numpy_direction(student.numpy(), chosen, 0.1)}
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-9)
    assert "labels" not in StreamlinedKnobs.needs
