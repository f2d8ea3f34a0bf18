"""Depthwise convolutions of a training in bfloat16: computed in float32, and no others."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.kernels.depthwise import DepthwiseInFloat
from core.system.device import Arithmetic

IMAGES = torch.randn(4, 6, 9, 9, generator=torch.Generator().manual_seed(0))


def convolution(groups: Any, channels: int = 6, outputs: int = 6) -> Any:
    torch.manual_seed(1)
    return nn.Conv2d(channels, outputs, 3, padding=1, groups=groups)


def trained(network: Any, images: Any, arithmetic: Any) -> tuple[Any, ...]:
    """(output, gradient of images, gradient of weights) of one training pass."""
    images = images.clone().requires_grad_()
    network.zero_grad()
    with arithmetic.autocast_to_train():
        output = network(images)
    output.float().square().sum().backward()
    return output.detach(), images.grad, network.weight.grad.clone()


@pytest.fixture
def bf16() -> Arithmetic:
    return Arithmetic(torch.device("cpu"), "bf16")


@pytest.mark.parametrize("outputs", [6, 12])
def test_a_depthwise_one_has_the_gradients_of_float32_and_an_output_in_bfloat16(bf16: Any, outputs: int) -> None:
    network = convolution(6, outputs=outputs)
    output, images, weights = trained(network, IMAGES, bf16)
    exact = network(IMAGES)
    assert output.dtype == torch.bfloat16 and torch.equal(output, exact.detach().bfloat16())
    seen = IMAGES.clone().requires_grad_()
    gradient = 2 * output.float()  # of the square of the rounded output
    expected = torch.autograd.grad(network(seen), (seen, network.weight), gradient.bfloat16().float())
    torch.testing.assert_close((images, weights), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_other_convolutions_stay_in_bfloat16(bf16: Any, groups: int) -> None:
    network = convolution(groups)
    with bf16.autocast():
        expected = network(IMAGES)
    assert torch.equal(trained(network, IMAGES, bf16)[0], expected)


def test_one_channel_is_no_depthwise_convolution(bf16: Any) -> None:
    network = convolution(1, channels=1)
    with bf16.autocast():
        expected = network(IMAGES[:, :1])
    assert torch.equal(trained(network, IMAGES[:, :1], bf16)[0], expected)


def test_without_a_gradient_or_autocast_nothing_changes(bf16: Any) -> None:
    network = convolution(6)
    with bf16.autocast():
        low = network(IMAGES)
    with bf16.autocast_to_train(), torch.no_grad():
        assert torch.equal(network(IMAGES), low)
    with DepthwiseInFloat():
        assert torch.equal(network(IMAGES), functional.conv2d(IMAGES, network.weight, network.bias, 1, 1, 1, 6))
    exact = Arithmetic(torch.device("cpu"), "fp32")
    assert trained(network, IMAGES, exact)[0].dtype == torch.float32


def test_a_compiled_network_has_it_too(bf16: Any) -> None:
    network = convolution(6)
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="eager")
    with bf16.autocast_to_train():
        assert torch.equal(compiled(IMAGES), network(IMAGES))
