"""Weighted soft labels against numpy and closed forms, in float64."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_context, make_frozen_teachers

from core.methods.contract import Batch
from core.methods.wsl import Wsl, sample_weights, weighted_soft_loss
from core.networks.network import Features
from core.spec.knobs.wsl import WslKnobs

T = 4.0


def logits(seed: Any, rows: int = 5, classes: int = 7, scale: float = 3.0) -> Any:
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax(values: Any) -> Any:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def numpy_weights(student: Any, teacher: Any, labels: Any) -> Any:
    own, other = (-np.log(softmax(each.numpy())[np.arange(len(labels)), labels]) for each in (student, teacher))
    return 1 - np.exp(-np.maximum(0, own / (other + 1e-7)))


def test_weights_and_loss_are_those_of_numpy() -> None:
    student, teacher, labels = logits(0), logits(1), torch.tensor([0, 6, 2, 2, 4])
    expected = numpy_weights(student, teacher, labels)
    weights = sample_weights(student, teacher, labels)
    np.testing.assert_allclose(weights.numpy(), expected, atol=1e-12)
    soft = -(softmax(teacher.numpy() / T) * np.log(softmax(student.numpy() / T))).sum(axis=1)
    loss = weighted_soft_loss(student, teacher, weights, temperature=T)
    assert loss.item() == pytest.approx(T**2 * (expected * soft).mean(), abs=1e-10)


def one_sure(margin: Any) -> torch.Tensor:
    """Two classes, the first ahead by `margin`; the label is the first."""
    return torch.tensor([[margin, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("student", "teacher", "weight"),
    [
        (1.0, 1.0, 1 - math.exp(-1)),  # as good as the teacher
        (-30.0, 1.0, 1.0),  # much worse
        (40.0, 1.0, 0.0),  # right already
        (1.0, 40.0, 1.0),  # the teacher is sure
    ],
)
def test_a_weight_tells_how_much_there_is_to_learn(student: float, teacher: float, weight: Any) -> None:
    found = sample_weights(one_sure(student), one_sure(teacher), torch.tensor([0]))
    assert found.item() == pytest.approx(weight, abs=1e-6)


def test_weights_look_at_temperature_one_and_carry_no_gradient() -> None:
    student, teacher, labels = logits(2).requires_grad_(), logits(3), torch.tensor([1, 0, 3, 6, 5])
    weights = sample_weights(student, teacher, labels)
    assert not weights.requires_grad
    weighted_soft_loss(student, teacher, weights, temperature=T).backward()
    p_s, p_t = softmax(student.detach().numpy() / T), softmax(teacher.numpy() / T)
    expected = T * numpy_weights(student.detach(), teacher, labels)[:, None] * (p_s - p_t) / 5
    np.testing.assert_allclose(student.grad.numpy(), expected, atol=1e-10)


def test_gradcheck() -> None:
    teacher, weights = logits(4), torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: weighted_soft_loss(z, teacher, weights, temperature=T), logits(5).requires_grad_()
    )


def test_mixed_labels_weigh_by_both_their_classes() -> None:
    student, teacher = logits(6, rows=1), logits(7, rows=1)
    row = torch.zeros(1, 7)
    row[0, 2], row[0, 5] = 0.3, 0.7
    own, other = (
        -(0.3 * np.log(p[0, 2]) + 0.7 * np.log(p[0, 5])) for p in (softmax(student.numpy()), softmax(teacher.numpy()))
    )
    assert sample_weights(student, teacher, row).item() == pytest.approx(1 - math.exp(-own / other), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_wholly_sure_teacher_in_half_precision_is_finite(dtype: Any) -> None:
    student, teacher = torch.tensor([[3.0, 1.0]], dtype=dtype), torch.tensor([[200.0, -200.0]], dtype=dtype)
    weights = sample_weights(student, teacher, torch.tensor([0]))
    assert weights.item() == 1 and weights.dtype == torch.float32
    assert torch.isfinite(weighted_soft_loss(student, teacher, weights, temperature=T))


def test_the_terms_weigh_labels_and_the_restricted_teacher() -> None:
    context = make_context(label_smoothing=0.1)
    method = Wsl(WslKnobs(temperature=2.0, weight=0.7, label_weight=0.3), context)
    student, teacher, labels = logits(8, classes=4), logits(9, classes=6), torch.tensor([0, 1, 2, 3, 0])
    batch = Batch(torch.zeros(5, 3, 8, 8), labels, torch.arange(5), teacher=Features(teacher, None, ()))
    terms = method.terms(Features(student, None, ()), batch)
    restricted = teacher[:, [5, 0, 3, 2]]
    p_s, p_t = softmax(student.numpy() / 2), softmax(restricted.numpy() / 2)
    soft = -(p_t * np.log(p_s)).sum(axis=1)
    expected = 0.7 * 4 * (numpy_weights(student, restricted, labels) * soft).mean()
    assert terms["soft"].item() == pytest.approx(expected, abs=1e-9)
    smooth = 0.9 * np.eye(4)[labels] + 0.1 / 4
    label = -(smooth * np.log(softmax(student.numpy()))).sum(axis=1).mean()
    assert terms["label"].item() == pytest.approx(0.3 * label, abs=1e-6)


def test_the_teacher_sees_the_batchs_own_statistics_where_asked() -> None:
    views = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(10))
    context = make_context(image_size=8)
    seen = {
        mode: make_frozen_teachers(Wsl(WslKnobs(teacher_mode=mode), context)).first.observe(views).logits
        for mode in ("eval", "train")
    }
    reference = copy.deepcopy(context.teacher)
    torch.testing.assert_close(seen["eval"], reference(views), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(seen["train"], reference.train()(views), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(seen["eval"], seen["train"], atol=1e-2)
