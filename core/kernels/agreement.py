"""Compares the kernels with torch on a few images of odd size; done each time the kernels are loaded."""

import torch
from torch import Tensor, nn

from core.kernels.calls import Activation, Kernels

# Relative L2 norm. One rounding of Winograd's transformed values to bfloat16 gives 0.004.
TOLERANCE = 0.01
EPSILON = 1e-5


def disagreement(kernels: Kernels) -> str | None:
    """The name of a kernel whose result differs from torch's; None if all agree."""
    for name, compare in {"convolution": _convolutions, "batch norm": _normalization}.items():
        with torch.autocast("cpu", enabled=False):
            pairs = compare(kernels)
        if any(not (ours.float() - theirs).norm() <= TOLERANCE * theirs.norm() for ours, theirs in pairs):
            return name
    return None


def _convolutions(kernels: Kernels) -> list[tuple[Tensor, Tensor]]:
    """Pairs (result of the kernels, result of torch) of convolutions and their gradients."""
    images, weight, gradient = _draw((2, 32, 7, 5), (64, 32, 3, 3), (2, 64, 7, 5))
    low, low_gradient = images.bfloat16(), gradient.bfloat16()
    ours = (
        kernels.convolve(low, weight, None),
        kernels.gradient_of_images(low_gradient, weight),
        kernels.gradient_of_weight(low, low_gradient),
        kernels.gradient_of_filter(low, low_gradient, size=3, stride=1, padding=1),
    )
    images.requires_grad_(), weight.requires_grad_()
    with torch.enable_grad():
        output = nn.functional.conv2d(images, weight, padding=1)
        for_images, for_weight = torch.autograd.grad(output, (images, weight), gradient)
    return list(zip(ours, (output.detach(), for_images, for_weight, for_weight), strict=True))


def _normalization(kernels: Kernels) -> list[tuple[Tensor, Tensor]]:
    """Pairs (result of the kernels, result of torch) of batch norms and their gradients."""
    images, carried, gradient = _draw(*[(3, 48, 7, 5)] * 3)
    weight, bias = (torch.randn(48, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    low, low_gradient = images.bfloat16(), gradient.bfloat16()
    mean, variance = torch.zeros(48), torch.zeros(48)
    statistics = kernels.statistics(low, weight, bias, EPSILON, mean, variance, momentum=1.0)
    made = kernels.normalize(low, statistics, carried.bfloat16(), Activation.RELU)
    gradients = kernels.gradients_of_normalization(
        low_gradient, low, statistics, weight, Activation.RELU, made=made, carried=True
    )
    inputs = (images, carried, weight, bias)
    for each in inputs:
        each.requires_grad_()
    with torch.enable_grad():
        output = (nn.functional.batch_norm(images, None, None, weight, bias, True, eps=EPSILON) + carried).relu()
        theirs = torch.autograd.grad(output, inputs, gradient)
    means = images.detach().mean((0, 2, 3)), images.detach().var((0, 2, 3))
    ours = (mean, variance, made, *(each for each in gradients if each is not None))
    return list(zip(ours, (*means, output.detach(), *theirs), strict=True))


def _draw(*shapes: tuple[int, ...]) -> list[Tensor]:
    """Random values that bfloat16 represents exactly, channels last."""
    generator = torch.Generator().manual_seed(0)
    drawn = (torch.randn(shape, generator=generator).bfloat16().float() for shape in shapes)
    return [each.contiguous(memory_format=torch.channels_last) for each in drawn]
