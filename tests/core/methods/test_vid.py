"""The Gaussian likelihood of the teacher's maps against scipy, and variances that are learned."""

import math
from typing import Any

import pytest
import torch
from scipy.stats import norm
from tiny import make_batch, make_context, make_trainer, make_training

from core.methods.vid import Guess, Vid, vid_loss
from core.spec.knobs.vid import VidKnobs


def draw(seed: Any, *shape: Any) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_value_is_scipys_negative_log_likelihood_less_a_constant() -> None:
    mean, teacher, variance = draw(0, 2, 3, 4, 4), draw(1, 2, 3, 4, 4), torch.tensor([0.5, 1.0, 4.0]).double()
    spread = variance.sqrt().view(3, 1, 1).numpy()
    expected = -norm.logpdf(teacher.numpy(), mean.numpy(), spread).mean() - math.log(2 * math.pi) / 2
    assert vid_loss(mean, variance, teacher).item() == pytest.approx(expected, rel=1e-9)


def test_the_best_variance_is_the_mean_squared_error_of_the_channel() -> None:
    mean, teacher = draw(2, 3, 4, 2, 2), draw(3, 3, 4, 2, 2)
    best = (mean - teacher).square().mean(dim=(0, 2, 3)).requires_grad_()
    loss = vid_loss(mean, best, teacher)
    loss.backward()
    assert best.grad.abs().max() < 1e-12
    for factor in (0.9, 1.1):
        assert vid_loss(mean, best.detach() * factor, teacher) > loss


def test_it_may_be_negative() -> None:
    mean = draw(4, 2, 2, 2, 2)
    assert vid_loss(mean, torch.full((2,), 0.01).double(), mean).item() == pytest.approx(math.log(0.01) / 2)


def test_gradcheck() -> None:
    teacher, mean = draw(5, 2, 3, 2, 2), draw(6, 2, 3, 2, 2).requires_grad_()
    variance = (draw(7, 3).exp() + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, v: vid_loss(m, v, teacher), (mean, variance))


def test_variances_begin_at_five_and_reach_their_optimum() -> None:
    torch.manual_seed(0)
    guess = Guess(3, 4)
    assert guess(torch.rand(1, 3, 2, 2))[1].tolist() == pytest.approx([5.0] * 4)
    student, teacher = torch.randn(8, 3, 4, 4), torch.randn(8, 4, 4, 4) * torch.tensor([0.3, 1, 2, 3]).view(1, 4, 1, 1)
    optimizer = torch.optim.Adam([guess.scale], lr=0.2)
    for _ in range(120):
        optimizer.zero_grad()
        vid_loss(*guess(student), teacher).backward()
        optimizer.step()
    mean, variance = guess(student)
    torch.testing.assert_close(variance, (mean - teacher).square().mean(dim=(0, 2, 3)), rtol=0.02, atol=0)


def test_the_loop_trains_the_variances_of_every_tap() -> None:
    method = Vid(VidKnobs(), make_context(image_size=8))
    before = [guess.scale.detach().clone() for guess in method.adapters]
    make_trainer(method, make_training(max_steps=3)).run()
    assert len(before) == 3
    for guess, old in zip(method.adapters, before, strict=True):
        assert (guess.scale < old).all(), "untrained maps are near zero, so that five is too much"


def test_the_term_is_the_sum_over_taps() -> None:
    context = make_context(image_size=8)
    method = Vid(VidKnobs(weight=0.5), context)
    batch = make_batch(method)
    student = context.student.features(batch.views, method.needs.student_taps)
    rows = zip(method.adapters, student.maps, batch.teacher.maps, strict=True)
    expected = 0.5 * sum(vid_loss(*guess(s), t).item() for guess, s, t in rows)
    assert method.terms(student, batch)["vid"].item() == pytest.approx(expected, rel=1e-5)
