"""The choice of hidden channels against a search by NumPy's least squares, and the projection against its solution."""

import numpy as np
import torch

from core.networks.channel_selection import Moments, refitted, select_channels

PIXELS, CHANNELS, OUTPUTS = 400, 12, 5


def hidden(seed: int = 0) -> torch.Tensor:
    """Values (P, H) of a layer with correlated channels and means that are not 0."""
    draws = torch.Generator().manual_seed(seed)
    sources = torch.randn(PIXELS, 6, generator=draws)
    mixed = sources @ torch.randn(6, CHANNELS, generator=draws)
    return mixed + 0.3 * torch.randn(PIXELS, CHANNELS, generator=draws) + torch.arange(CHANNELS)


def weight() -> torch.Tensor:
    return torch.randn(OUTPUTS, CHANNELS, generator=torch.Generator().manual_seed(9))


def moments_of(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    moments = Moments.of_none(values.shape[1])
    for part in values.split(150):
        moments.add(part)
    return moments.mean_and_covariance()


def residual(values: np.ndarray, outputs: np.ndarray, kept: list[int]) -> float:
    """What the best linear prediction with a constant leaves of the outputs."""
    known = np.column_stack([values[:, kept], np.ones(len(values))])
    return float(((outputs - known @ np.linalg.lstsq(known, outputs, rcond=None)[0]) ** 2).sum())


def test_mean_and_covariance_are_numpys() -> None:
    mean, covariance = moments_of(hidden())
    assert np.allclose(mean, hidden().numpy().mean(0), atol=1e-4)
    assert np.allclose(covariance, np.cov(hidden().numpy().T, bias=True), rtol=1e-3, atol=1e-3)


def test_each_channel_is_the_one_that_leaves_least() -> None:
    values, outputs = hidden().double().numpy(), (hidden() @ weight().T).double().numpy()
    expected: list[int] = []
    for _ in range(4):
        others = [channel for channel in range(CHANNELS) if channel not in expected]
        expected.append(min(others, key=lambda channel: residual(values, outputs, [*expected, channel])))
    _, covariance = moments_of(hidden())
    assert select_channels(covariance, weight(), 4).tolist() == sorted(expected)


def test_the_projection_is_the_best_prediction() -> None:
    values, kept = hidden(), torch.tensor([1, 4, 7, 10])
    mean, covariance = moments_of(values)
    fitted, constant = refitted(mean, covariance, weight(), kept)
    left = (values @ weight().T - values[:, kept] @ fitted.T - constant).square().sum().item()
    least = residual(values.double().numpy(), (values @ weight().T).double().numpy(), kept.tolist())
    assert least <= left < 1.001 * least


def test_channels_that_follow_from_others_are_not_needed() -> None:
    draws = torch.Generator().manual_seed(1)
    sources = torch.randn(PIXELS, 3, generator=draws)
    values = torch.cat([sources, sources @ torch.randn(3, CHANNELS - 3, generator=draws)], dim=1)
    mean, covariance = moments_of(values)
    kept = select_channels(covariance, weight(), 3)
    fitted, constant = refitted(mean, covariance, weight(), kept)
    outputs = values @ weight().T
    assert (values[:, kept] @ fitted.T + constant - outputs).square().sum() < 1e-3 * outputs.square().sum()


def test_channels_that_never_vary_do_no_harm() -> None:
    values = hidden()
    values[:, 2] = 5.0
    values[:, 3] = 0.0
    mean, covariance = moments_of(values)
    kept = select_channels(covariance, weight(), CHANNELS - 1)
    fitted, constant = refitted(mean, covariance, weight(), kept)
    assert len(set(kept.tolist())) == CHANNELS - 1
    assert torch.allclose(values[:, kept] @ fitted.T + constant, values @ weight().T, atol=0.1)
