"""Muon against torch's own of matrices, torch's SGD and numpy's singular values."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn, optim

from core.networks import zoo
from core.training.muon import Muon, is_convolutional, orthogonalized

SHAPES = [(16, 3, 3, 3), (8, 16, 1, 1), (64, 4, 3, 3), (64, 32, 3, 3)]  # wide, wide, tall, wide


def kernels(shapes: Any) -> list[Any]:
    draws = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=draws)) for shape in shapes]


def give_gradients(parameters: Any, step: Any) -> None:
    draws = torch.Generator().manual_seed(step)
    for parameter in parameters:
        parameter.grad = 10.0 ** (3 - step) * torch.randn(parameter.shape, generator=draws)


def test_kernels_move_as_torchs_muon_moves_their_matrices() -> None:
    ours = kernels(SHAPES)
    theirs = [nn.Parameter(kernel.detach().flatten(1).clone()) for kernel in ours]
    optimizers = (
        Muon(ours, lr=0.1, momentum=0.9, weight_decay=0.5, dtype=torch.bfloat16),
        optim.Muon(theirs, lr=0.1, momentum=0.9, weight_decay=0.5, nesterov=True, ns_steps=3),
    )
    for step, rate in enumerate([0.1, 0.2, 0.05]):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = rate
        give_gradients(ours, step)
        for mine, its in zip(ours, theirs, strict=True):
            its.grad = mine.grad.flatten(1)
        for optimizer in optimizers:
            optimizer.step()
    for mine, its, start in zip(ours, theirs, kernels(SHAPES), strict=True):
        moved = (its - start.flatten(1)).norm()
        # torch normalizes in bfloat16, ours before it: both round to eight bits.
        assert (mine.flatten(1) - its).norm() < 0.02 * moved


@pytest.mark.parametrize("shape", SHAPES)
def test_a_direction_has_equal_singular_values(shape: Any) -> None:
    draws = np.random.default_rng(0)
    rows, columns = shape[0], int(np.prod(shape[1:]))
    short = min(rows, columns)
    left, _ = np.linalg.qr(draws.normal(size=(rows, short)))
    right, _ = np.linalg.qr(draws.normal(size=(columns, short)))
    direction = 1e-3 * (left * np.linspace(0.5, 1, short)) @ right.T
    (got,) = orthogonalized([torch.tensor(direction, dtype=torch.float32).view(shape)])
    matrix = got.flatten(1).numpy()
    scale = max(1.0, rows / columns) ** 0.5
    values = np.linalg.svd(matrix / scale, compute_uv=False)
    assert values.min() > 0.6
    assert values.max() < 1.3
    # The singular vectors stay: of the polar factor, nothing else turns.
    polar = left @ right.T
    assert (matrix * polar).sum() > 0.98 * np.linalg.norm(matrix) * np.linalg.norm(polar)


def test_a_direction_of_zeros_stays() -> None:
    (got,) = orthogonalized([torch.zeros(4, 3, 3, 3)])
    assert torch.equal(got, torch.zeros(4, 3, 3, 3))


def test_many_directions_are_as_each_alone_however_they_lie_in_memory() -> None:
    directions = [kernel.detach() for kernel in kernels([*SHAPES, *SHAPES, (3, 16, 3, 3)])]
    lying = [
        each.contiguous(memory_format=torch.channels_last) if number % 2 else each
        for number, each in enumerate(directions)
    ]
    for direction, got in zip(directions, orthogonalized(lying), strict=True):
        (alone,) = orthogonalized([direction])
        torch.testing.assert_close(got, alone, rtol=1e-4, atol=1e-5)


def test_products_in_bfloat16_differ_by_their_rounding_alone() -> None:
    direction = torch.randn(64, 32, 3, 3, generator=torch.Generator().manual_seed(0))
    (exact,), (rounded,) = orthogonalized([direction]), orthogonalized([direction], torch.bfloat16)
    assert rounded.dtype == torch.bfloat16
    assert 0 < (exact - rounded).norm() < 0.02 * exact.norm()


def test_everything_else_moves_as_torchs_sgd_moves_it() -> None:
    shapes = [(8, 1, 3, 3), (1, 8, 3, 3), (10, 8), (8,)]
    ours, theirs = kernels(shapes), kernels(shapes)
    optimizers = (
        Muon(ours, lr=0.1, momentum=0.9, weight_decay=0.5),
        optim.SGD(theirs, lr=0.1, momentum=0.9, nesterov=True),
    )
    for step in range(3):
        for parameters in (ours, theirs):
            give_gradients(parameters, step)
        for optimizer in optimizers:
            optimizer.step()
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, its)


def test_the_size_of_gradients_does_not_matter_to_kernels() -> None:
    one, other = kernels(SHAPES), kernels(SHAPES)
    for parameters, scale in ((one, 1.0), (other, 1e-4)):
        give_gradients(parameters, 0)
        for parameter in parameters:
            parameter.grad *= scale
        Muon(parameters, lr=0.1).step()
    for mine, its in zip(one, other, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-3, atol=1e-5)


def test_parameters_without_a_gradient_stay() -> None:
    own = kernels([(4, 2, 3, 3), (4,)])
    Muon(own, lr=0.1, weight_decay=0.1).step()
    for now, before in zip(own, kernels([(4, 2, 3, 3), (4,)]), strict=True):
        assert torch.equal(now, before)


def test_it_goes_on_from_its_state() -> None:
    whole, cut = kernels([*SHAPES, (5,)]), kernels([*SHAPES, (5,)])
    uncut, first, second = (Muon(parameters, lr=0.1, weight_decay=0.01) for parameters in (whole, cut, cut))

    def take(steps: Any, parameters: Any, optimizer: Any) -> None:
        for step in steps:
            give_gradients(parameters, step)
            optimizer.step()

    take(range(4), whole, uncut)
    take(range(2), cut, first)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    take(range(2, 4), cut, second)
    for mine, its in zip(whole, cut, strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize(
    ("architecture", "is_so"),
    [
        ("cifar/resnet8", True),
        ("cifar/mobilenetv2", True),
        ("torchvision/resnet18", True),
        ("torchvision/vgg11", False),
        ("torchvision/convnext_tiny", False),
        ("torchvision/vit_b_16", False),
    ],
)
def test_which_networks_consist_of_dense_kernels(architecture: str, is_so: bool) -> None:
    assert is_convolutional(zoo.outline(architecture, 10).module) == is_so
