"""Transformed teacher matching against powers of probabilities in numpy, its gradient, and its weights."""

import numpy as np
import pytest
import torch
from tiny import make_batch, make_context

from core.methods.wttm import Wttm, wttm_loss
from core.spec.knobs.wttm import WttmKnobs


def logits(seed: int, shape: tuple[int, int] = (5, 4)) -> torch.Tensor:
    return 3 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 2.5, 10.0])
def test_it_is_the_divergence_from_the_powers_of_the_teachers_probabilities(temperature: float, weighted: bool) -> None:
    student, teacher = softmax(logits(0).numpy()), softmax(logits(1).numpy())
    powers = teacher ** (1 / temperature)
    sums = powers.sum(axis=1)
    target = powers / sums[:, None]
    divergences = (target * np.log(target / student)).sum(axis=1)
    expected = (sums * divergences).mean() if weighted else divergences.mean()
    loss = wttm_loss(logits(0), logits(1), temperature=temperature, weighted=weighted)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_the_gradient_has_a_closed_form() -> None:
    student, teacher = logits(0).requires_grad_(), logits(1)
    wttm_loss(student, teacher, temperature=5.0, weighted=True).backward()
    powers = softmax(teacher.numpy()) ** 0.2
    sums = powers.sum(axis=1, keepdims=True)
    expected = sums * (softmax(student.detach().numpy()) - powers / sums) / len(teacher)
    assert student.grad is not None
    np.testing.assert_allclose(student.grad.numpy(), expected, atol=1e-12)


def test_it_is_least_where_the_student_is_the_softened_teacher() -> None:
    teacher = logits(1)
    assert wttm_loss(teacher / 5, teacher, temperature=5.0, weighted=True).item() == pytest.approx(0, abs=1e-12)
    assert wttm_loss(teacher, teacher, temperature=5.0, weighted=True).item() > 0.1


def test_constants_added_to_the_logits_change_nothing() -> None:
    plain = wttm_loss(logits(0), logits(1), temperature=3.0, weighted=True)
    shifted = wttm_loss(logits(0) + 7, logits(1) - 90, temperature=3.0, weighted=True)
    assert shifted.item() == pytest.approx(plain.item(), rel=1e-9)


def test_the_terms_are_of_the_customers_classes_with_their_weights() -> None:
    context = make_context(image_size=8)
    method = Wttm(WttmKnobs(weight=0.5, label_weight=0.25), context)
    batch = make_batch(method)
    student = context.student.features(batch.views, ())
    terms = method.terms(student, batch)
    assert batch.teacher is not None
    chosen = batch.teacher.logits[:, [5, 0, 3, 2]]
    expected = 0.5 * wttm_loss(student.logits, chosen, temperature=5.0, weighted=True)
    assert terms["wttm"].item() == pytest.approx(expected.item())
    label = torch.nn.functional.cross_entropy(student.logits, batch.targets)
    assert terms["label"].item() == pytest.approx(0.25 * label.item())
