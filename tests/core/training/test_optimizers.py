"""The optimizers of the spec against their formulas in numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_training
from torch import nn

from core.training.optimizers import build_optimizer, set_rate


def parameters() -> list[Any]:
    draws = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(3, 2, generator=draws)), nn.Parameter(torch.randn(3, generator=draws))]


def gradients(step: Any) -> list[Any]:
    draws = np.random.default_rng(step)
    return [draws.normal(size=(3, 2)), draws.normal(size=3)]


def run(training: Any, rates: Any) -> list[Any]:
    own = parameters()
    optimizer = build_optimizer(training, own, 1.0)
    for step, rate in enumerate(rates):
        for parameter, gradient in zip(own, gradients(step), strict=True):
            parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        set_rate(optimizer, rate)
        optimizer.step()
    return [parameter.detach().numpy() for parameter in own]


def test_sgd_is_nesterov_momentum_with_decay_of_all() -> None:
    rates = [0.1, 0.1, 0.05]
    for index, got in enumerate(run(make_training(weight_decay=0.01), rates)):
        value, velocity = parameters()[index].detach().numpy(), 0.0
        for step, rate in enumerate(rates):
            gradient = gradients(step)[index] + 0.01 * value
            velocity = gradient if step == 0 else 0.9 * velocity + gradient
            value = value - rate * (gradient + 0.9 * velocity)
        np.testing.assert_allclose(got, value, atol=1e-5)


@pytest.mark.parametrize(("index", "decay"), [(0, 0.1), (1, 0.0)])
def test_adamw_decays_weights_alone(index: int, decay: float) -> None:
    rates = [0.01, 0.02, 0.01]
    got = run(make_training(optimizer="adamw", weight_decay=0.1), rates)[index]
    value, first, second = parameters()[index].detach().numpy(), 0.0, 0.0
    for step, rate in enumerate(rates):
        gradient = gradients(step)[index]
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        unbiased = first / (1 - 0.9 ** (step + 1)), second / (1 - 0.999 ** (step + 1))
        value = value * (1 - rate * decay) - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    np.testing.assert_allclose(got, value, atol=1e-5)


def test_adamw_takes_networks_without_vectors_or_without_matrices() -> None:
    for own in parameters():
        assert len(build_optimizer(make_training(optimizer="adamw"), [own], 0.1).param_groups) == 1
