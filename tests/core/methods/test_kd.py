"""The arithmetic of Hinton's distillation against closed forms, in float64."""

import numpy as np
import pytest
import torch
from tiny import make_setting

from core.methods.kd import Kd, kd_loss
from core.methods.method import Batch, select_classes
from core.networks.network import Features
from core.spec.knobs.kd import KdKnobs

T = 4.0


def logits(seed, rows=5, classes=7, scale=3.0):
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_value_is_that_of_numpy():
    student, teacher = logits(0), logits(1)
    p_s, p_t = softmax(student.numpy() / T), softmax(teacher.numpy() / T)
    expected = T**2 * (p_t * (np.log(p_t) - np.log(p_s))).sum(axis=1).mean()
    assert kd_loss(student, teacher, temperature=T).item() == pytest.approx(expected, abs=1e-12)
    swapped = T**2 * (p_s * (np.log(p_s) - np.log(p_t))).sum(axis=1).mean()
    assert abs(expected - swapped) > 0.01, "the case must tell the two directions apart"


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_the_gradient_is_the_closed_form(temperature):
    student, teacher = logits(2).requires_grad_(), logits(3)
    kd_loss(student, teacher, temperature=temperature).backward()
    p_s, p_t = softmax(student.detach().numpy() / temperature), softmax(teacher.numpy() / temperature)
    np.testing.assert_allclose(student.grad.numpy(), temperature * (p_s - p_t) / 5, atol=1e-6, rtol=0)


def test_at_high_temperature_it_is_half_the_mean_squared_difference_of_centred_logits():
    student, teacher = logits(4), logits(5)
    centred = (teacher - teacher.mean(1, keepdim=True)) - (student - student.mean(1, keepdim=True))
    expected = (centred**2).sum(1).mean().item() / (2 * 7)
    assert kd_loss(student, teacher, temperature=1e4).item() == pytest.approx(expected, rel=1e-3)


def test_it_is_zero_with_zero_gradient_where_both_agree():
    student = logits(6).requires_grad_()
    loss = kd_loss(student, student.detach(), temperature=T)
    loss.backward()
    assert loss.item() == 0.0
    assert student.grad.abs().max() < 1e-15


def test_a_constant_added_to_an_images_logits_changes_nothing():
    student, teacher = logits(7), logits(8)
    shifted = kd_loss(student + 11 * logits(9, classes=1), teacher - 5 * logits(10, classes=1), temperature=T)
    assert shifted.item() == pytest.approx(kd_loss(student, teacher, temperature=T).item(), abs=1e-12)


def test_gradcheck():
    teacher = logits(11)
    assert torch.autograd.gradcheck(lambda z: kd_loss(z, teacher, temperature=T), logits(12).requires_grad_())


def test_half_precision_is_computed_in_float32():
    student, teacher = logits(13), logits(14)
    half = kd_loss(student.bfloat16(), teacher.bfloat16(), temperature=T)
    exact = kd_loss(student.bfloat16().double(), teacher.bfloat16().double(), temperature=T)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(exact.item(), rel=1e-5)


def test_the_restricted_teacher_is_a_softmax_over_the_chosen_classes():
    teacher, chosen = logits(15), torch.tensor([5, 0, 3])
    renormalized = softmax(teacher.numpy())[:, [5, 0, 3]]
    renormalized /= renormalized.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(select_classes(teacher, chosen).softmax(1).numpy(), renormalized, atol=1e-12)


def test_the_terms_weigh_labels_and_the_restricted_teacher():
    setting = make_setting(label_smoothing=0.1)
    method = Kd(KdKnobs(temperature=2.0, weight=0.7, label_weight=0.3), setting)
    student, teacher, labels = logits(16, classes=4), logits(17, classes=6), torch.tensor([0, 1, 2, 3, 0])
    batch = Batch(torch.zeros(5, 3, 8, 8), labels, torch.arange(5), teacher=Features(teacher, None, ()))
    terms = method.terms(Features(student, None, ()), batch)
    p_s, p_t = softmax(student.numpy() / 2), softmax(teacher.numpy()[:, [5, 0, 3, 2]] / 2)
    kd = 0.7 * 4 * (p_t * np.log(p_t / p_s)).sum(axis=1).mean()
    smooth = 0.9 * np.eye(4)[labels] + 0.1 / 4
    label = 0.3 * -(smooth * np.log(softmax(student.numpy()))).sum(axis=1).mean()
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({"label": label, "kd": kd}, rel=1e-5)
