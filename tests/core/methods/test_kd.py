"""The arithmetic of Hinton's distillation against closed forms, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_context

from core.methods.contract import Batch
from core.methods.kd import Kd, kd_loss
from core.methods.method import select_classes
from core.methods.parts.logits import mean_over_labels, standardized
from core.networks.network import Features
from core.spec.knobs.kd import KdKnobs

T = 4.0


def logits(seed: Any, rows: int = 5, classes: int = 7, scale: float = 3.0) -> Any:
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax(values: Any) -> Any:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_value_is_that_of_numpy() -> None:
    student, teacher = logits(0), logits(1)
    p_s, p_t = softmax(student.numpy() / T), softmax(teacher.numpy() / T)
    expected = T**2 * (p_t * (np.log(p_t) - np.log(p_s))).sum(axis=1).mean()
    assert kd_loss(student, teacher, temperature=T).item() == pytest.approx(expected, abs=1e-12)
    swapped = T**2 * (p_s * (np.log(p_s) - np.log(p_t))).sum(axis=1).mean()
    assert abs(expected - swapped) > 0.01, "the case must tell the two directions apart"


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_the_gradient_is_the_closed_form(temperature: float) -> None:
    student, teacher = logits(2).requires_grad_(), logits(3)
    kd_loss(student, teacher, temperature=temperature).backward()
    p_s, p_t = softmax(student.detach().numpy() / temperature), softmax(teacher.numpy() / temperature)
    np.testing.assert_allclose(student.grad.numpy(), temperature * (p_s - p_t) / 5, atol=1e-6, rtol=0)


def test_at_high_temperature_it_is_half_the_mean_squared_difference_of_centred_logits() -> None:
    student, teacher = logits(4), logits(5)
    centred = (teacher - teacher.mean(1, keepdim=True)) - (student - student.mean(1, keepdim=True))
    expected = (centred**2).sum(1).mean().item() / (2 * 7)
    assert kd_loss(student, teacher, temperature=1e4).item() == pytest.approx(expected, rel=1e-3)


def test_it_is_zero_with_zero_gradient_where_both_agree() -> None:
    student = logits(6).requires_grad_()
    loss = kd_loss(student, student.detach(), temperature=T)
    loss.backward()
    assert loss.item() == 0.0
    assert student.grad.abs().max() < 1e-15


def test_a_constant_added_to_an_images_logits_changes_nothing() -> None:
    student, teacher = logits(7), logits(8)
    shifted = kd_loss(student + 11 * logits(9, classes=1), teacher - 5 * logits(10, classes=1), temperature=T)
    assert shifted.item() == pytest.approx(kd_loss(student, teacher, temperature=T).item(), abs=1e-12)


def test_gradcheck() -> None:
    teacher = logits(11)
    assert torch.autograd.gradcheck(lambda z: kd_loss(z, teacher, temperature=T), logits(12).requires_grad_())


def test_half_precision_is_computed_in_float32() -> None:
    student, teacher = logits(13), logits(14)
    half = kd_loss(student.bfloat16(), teacher.bfloat16(), temperature=T)
    exact = kd_loss(student.bfloat16().double(), teacher.bfloat16().double(), temperature=T)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(exact.item(), rel=1e-5)


def test_the_restricted_teacher_is_a_softmax_over_the_chosen_classes() -> None:
    teacher, chosen = logits(15), torch.tensor([5, 0, 3])
    renormalized = softmax(teacher.numpy())[:, [5, 0, 3]]
    renormalized /= renormalized.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(select_classes(teacher, chosen).softmax(1).numpy(), renormalized, atol=1e-12)


def test_the_terms_weigh_labels_and_the_restricted_teacher() -> None:
    context = make_context(label_smoothing=0.1)
    method = Kd(KdKnobs(temperature=2.0, weight=0.7, label_weight=0.3), context)
    student, teacher, labels = logits(16, classes=4), logits(17, classes=6), torch.tensor([0, 1, 2, 3, 0])
    batch = Batch(torch.zeros(5, 3, 8, 8), labels, torch.arange(5), teacher=Features(teacher, None, ()))
    terms = method.terms(Features(student, None, ()), batch)
    p_s, p_t = softmax(student.numpy() / 2), softmax(teacher.numpy()[:, [5, 0, 3, 2]] / 2)
    kd = 0.7 * 4 * (p_t * np.log(p_t / p_s)).sum(axis=1).mean()
    smooth = 0.9 * np.eye(4)[labels] + 0.1 / 4
    label = 0.3 * -(smooth * np.log(softmax(student.numpy()))).sum(axis=1).mean()
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({"label": label, "kd": kd}, rel=1e-5)


def test_standardized_rows_have_mean_0_and_deviation_1_whatever_their_offset_and_scale() -> None:
    plain = logits(18)
    rows = standardized(plain).numpy()
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(rows.std(axis=1, ddof=1), 1, atol=1e-6)
    scales = torch.tensor([[0.5], [1.0], [2.0], [9.0], [0.1]], dtype=torch.float64)
    np.testing.assert_allclose(standardized(scales * plain + 40).numpy(), rows, atol=1e-5)
    one_hot = torch.eye(7, dtype=torch.float64)
    assert standardized(one_hot).max().item() == pytest.approx(6 / 7**0.5, rel=1e-5), "no value can be larger"


def test_on_standardized_logits_the_gradient_moves_neither_an_images_offset_nor_its_scale() -> None:
    student, teacher = logits(19).requires_grad_(), logits(20)
    kd_loss(standardized(student), standardized(teacher), temperature=2.0).backward()
    centred = (student - student.mean(dim=1, keepdim=True)).detach()
    assert student.grad.abs().max() > 1e-3
    np.testing.assert_allclose(student.grad.sum(dim=1).numpy(), 0, atol=1e-12)
    np.testing.assert_allclose((student.grad * centred).sum(dim=1).numpy(), 0, atol=1e-6)
    assert torch.autograd.gradcheck(standardized, logits(21).requires_grad_())


def test_an_image_with_equal_logits_is_standardized_without_a_nan() -> None:
    flat = torch.ones(2, 5, requires_grad=True)
    standardized(flat).square().sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_what_is_left_to_auto_depends_on_standardization() -> None:
    plain, standard = Kd.resolved(KdKnobs()), Kd.resolved(KdKnobs(standardize=True))
    assert (plain.temperature, plain.weight) == (4.0, 0.9)
    assert (standard.temperature, standard.weight) == (2.0, 9.0)
    given = Kd.resolved(KdKnobs(standardize=True, temperature=3.0))
    assert (given.temperature, given.weight) == (3.0, 9.0)


def test_with_standardized_logits_the_labels_still_see_the_plain_ones() -> None:
    method = Kd(KdKnobs(standardize=True, temperature=2.0, weight=9.0), make_context())
    student, teacher, labels = logits(22, classes=4), logits(23, classes=6), torch.tensor([3, 1, 2, 0, 0])
    batch = Batch(torch.zeros(5, 3, 8, 8), labels, torch.arange(5), teacher=Features(teacher, None, ()))
    terms = method.terms(Features(student, None, ()), batch)

    def standard(values: Any) -> Any:
        return (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, ddof=1, keepdims=True)

    p_s = softmax(standard(student.numpy()) / 2)
    p_t = softmax(standard(teacher.numpy()[:, [5, 0, 3, 2]]) / 2)
    kd = 9 * 4 * (p_t * np.log(p_t / p_s)).sum(axis=1).mean()
    label = 0.1 * -np.log(softmax(student.numpy())[np.arange(5), labels]).mean()
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({"label": label, "kd": kd}, rel=1e-5)


def test_a_mixed_image_has_the_mean_of_its_two_labels_losses() -> None:
    table = torch.rand(3, 4, generator=torch.Generator().manual_seed(24))
    rows = torch.tensor([[0.7, 0.0, 0.3, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.5]])

    def losses(labels: Any) -> Any:
        return table.gather(1, labels.unsqueeze(1)).squeeze(1)

    assert mean_over_labels(rows, losses).item() == pytest.approx((rows * table).sum(dim=1).mean().item())
    labels = torch.tensor([2, 0, 3])
    assert mean_over_labels(labels, losses).item() == pytest.approx(table[range(3), labels].mean().item())
