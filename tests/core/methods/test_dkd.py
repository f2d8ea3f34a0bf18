"""The two parts of decoupled distillation against a loop in numpy, and their identity with Hinton's."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from tiny import make_context

from core.methods.contract import Batch, Stage, TrainingProgress
from core.methods.dkd import Dkd, dkd_losses
from core.methods.kd import kd_loss
from core.networks.network import Features
from core.spec.knobs.dkd import DkdKnobs

T = 4.0
LABELS = torch.tensor([6, 0, 3, 3, 1])


def logits(seed: Any, rows: int = 5, classes: int = 7, scale: float = 3.0) -> Any:
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def numpy_parts(student: Any, teacher: Any, labels: Any, temperature: Any) -> Any:
    """(target part, other part) of each image, without T^2, from probabilities."""
    parts = []
    for z_s, z_t, y in zip(student.numpy(), teacher.numpy(), labels.tolist(), strict=True):
        p_s, p_t = np.exp(log_softmax(z_s / temperature)), np.exp(log_softmax(z_t / temperature))
        b_s, b_t = np.array([p_s[y], 1 - p_s[y]]), np.array([p_t[y], 1 - p_t[y]])
        others = [k for k in range(len(z_s)) if k != y]
        h_s, h_t = p_s[others] / p_s[others].sum(), p_t[others] / p_t[others].sum()
        parts.append([(b_t * np.log(b_t / b_s)).sum(), (h_t * np.log(h_t / h_s)).sum()])
    return np.array(parts)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.0, 1.0), (1.0, 8.0)])
def test_both_parts_are_those_of_numpy(alpha: float, beta: float) -> None:
    student, teacher = logits(0), logits(1)
    losses = dkd_losses(student, teacher, LABELS, alpha=alpha, beta=beta, temperature=T)
    expected = T**2 * numpy_parts(student, teacher, LABELS, T) @ [alpha, beta]
    np.testing.assert_allclose(losses.numpy(), expected, atol=1e-11)
    assert expected.min() > 0.01


def test_with_the_teachers_doubt_as_beta_it_is_hintons_loss() -> None:
    student, teacher = logits(2), logits(3)
    doubt = 1 - (teacher / T).softmax(dim=1).gather(1, LABELS.unsqueeze(1)).squeeze(1)
    target = dkd_losses(student, teacher, LABELS, alpha=1.0, beta=0.0, temperature=T)
    others = dkd_losses(student, teacher, LABELS, alpha=0.0, beta=1.0, temperature=T)
    hinton = kd_loss(student, teacher, temperature=T).item()
    assert (target + doubt * others).mean().item() == pytest.approx(hinton, abs=1e-12)


def test_of_two_classes_there_are_no_others_to_tell_apart() -> None:
    student, teacher = logits(4, classes=2), logits(5, classes=2)
    labels = torch.tensor([0, 1, 1, 0, 1])
    assert dkd_losses(student, teacher, labels, alpha=0.0, beta=8.0, temperature=T).abs().max() == 0
    target = dkd_losses(student, teacher, labels, alpha=1.0, beta=8.0, temperature=T).mean()
    assert target.item() == pytest.approx(kd_loss(student, teacher, temperature=T).item(), abs=1e-12)


def test_it_is_zero_with_zero_gradient_where_both_agree_and_forgets_offsets() -> None:
    student, teacher = logits(6).requires_grad_(), logits(7)
    loss = dkd_losses(student, student.detach() + 5, LABELS, alpha=1.0, beta=8.0, temperature=T).sum()
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12) and student.grad.abs().max() < 1e-12
    plain = dkd_losses(student, teacher, LABELS, alpha=1.0, beta=8.0, temperature=T)
    moved = dkd_losses(student + 11, teacher - 3, LABELS, alpha=1.0, beta=8.0, temperature=T)
    torch.testing.assert_close(moved, plain)


def test_gradcheck() -> None:
    teacher = logits(8)
    assert torch.autograd.gradcheck(
        lambda z: dkd_losses(z, teacher, LABELS, alpha=1.0, beta=8.0, temperature=T), logits(9).requires_grad_()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_student_that_is_wholly_sure_stays_finite(dtype: Any) -> None:
    """1 - p[y] is 0 in any precision; its logarithm is not minus infinity."""
    student = torch.zeros(2, 7, dtype=dtype)
    student[:, 6] = 1000.0
    student.requires_grad_()
    labels = torch.tensor([6, 0])
    losses = dkd_losses(student, logits(10, rows=2).to(dtype), labels, alpha=1.0, beta=8.0, temperature=T)
    losses.sum().backward()
    assert torch.isfinite(losses).all() and torch.isfinite(student.grad).all()
    assert losses.dtype == torch.float32


def dkd(**knobs: Any) -> Dkd:
    return Dkd(Dkd.resolved(DkdKnobs(**knobs)), make_context())


def terms(method: Any, targets: Any = None, seed: int = 11) -> Any:
    labels = torch.tensor([0, 1, 2, 3, 0]) if targets is None else targets
    teacher = Features(logits(seed, classes=6), None, ())
    batch = Batch(torch.zeros(5, 3, 8, 8), labels, torch.arange(5), teacher=teacher)
    return method.terms(Features(logits(seed + 1, classes=4), None, ()), batch)


def test_the_weights_are_those_of_the_paper_and_the_teacher_is_restricted() -> None:
    student, teacher = logits(12, classes=4), logits(11, classes=6)[:, [5, 0, 3, 2]]
    parts = numpy_parts(student, teacher, torch.tensor([0, 1, 2, 3, 0]), 4.0)
    assert terms(dkd())["dkd"].item() == pytest.approx(16 * (parts @ [1, 8]).mean(), rel=1e-6)
    standard = [(z - z.mean(1, keepdim=True)) / z.std(1, keepdim=True) for z in (student, teacher)]
    parts = numpy_parts(*standard, torch.tensor([0, 1, 2, 3, 0]), 2.0)
    assert terms(dkd(standardize=True))["dkd"].item() == pytest.approx(9 * 4 * (parts @ [1, 8]).mean(), rel=1e-5)


def test_a_mixed_image_counts_both_labels_by_their_shares() -> None:
    method = dkd()
    first, second = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([2, 0, 1, 1, 3])
    rows = 0.7 * torch.eye(4)[first] + 0.3 * torch.eye(4)[second]
    expected = 0.7 * terms(method, first)["dkd"] + 0.3 * terms(method, second)["dkd"]
    assert terms(method, rows)["dkd"].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("warmup", "fraction", "share"), [(0.2, 0.0, 0), (0.2, 0.05, 0.25), (0.2, 0.2, 1), (0.2, 0.9, 1), (0.0, 0.0, 1)]
)
def test_the_weight_rises_over_a_share_of_the_training(warmup: float, fraction: float, share: float) -> None:
    method = dkd(warmup=warmup)
    full = terms(method)
    method.begin_step(TrainingProgress(Stage(), 0, step=0, fraction=fraction))
    now = terms(method)
    assert now["dkd"].item() == pytest.approx(share * full["dkd"].item(), rel=1e-9)
    assert now["label"].item() == full["label"].item()
