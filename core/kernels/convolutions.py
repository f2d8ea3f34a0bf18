"""Convolutions by the kernels as autograd functions.

Weights stay in float32 until they are transformed, and their gradients are float32.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from core.kernels.calls import CHANNELS_AT_ONCE, MOST_CHANNELS, Kernels

# Pixels. In smaller maps most of a tile would lie outside.
LEAST_SIZE = 4


@dataclass(frozen=True)
class Form:
    """Shape parameters of a convolution, for the forward and the backward pass."""

    size: int
    stride: int
    padding: int

    @classmethod
    def of(cls, weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> "Form | None":
        """The form of a layer; None if the kernels do not compute it for any image size."""
        size, step, margin = (_number(value) for value in (weight.shape[2:], stride, padding))
        if size is None or step is None or margin is None:
            return None
        if _number(dilation) != 1 or groups != 1 or weight.dtype != torch.float32:
            return None
        if any(count % CHANNELS_AT_ONCE or count > MOST_CHANNELS for count in weight.shape[:2]):
            return None
        form = cls(size, step, margin)
        return form if form.by_winograd or form == cls(3, 2, 1) else None

    @property
    def by_winograd(self) -> bool:
        """Whether the kernels compute the whole convolution; otherwise they compute only the gradient of its
        weights.
        """
        return self == Form(3, 1, 1)


def _number(value: Any) -> int | None:
    """`value`, or the number that all entries of the tuple `value` have."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values[0] if len(set(values)) == 1 and isinstance(values[0], int) else None


def convolve(
    kernels: Kernels, form: Form, input: Tensor, weight: Tensor, bias: Tensor | None = None, *_: Any, **__: Any
) -> Tensor:
    """The result of torch.conv2d for these arguments, in bfloat16; `form` is the answer of `form_of_call`."""
    function = _Winograd if form.by_winograd else _Strided
    return function.apply(input.bfloat16(), weight, bias, kernels, form)


def serves(module: nn.Module) -> bool:
    """Whether the kernels compute this layer, unless its images are tiny."""
    return (
        isinstance(module, nn.Conv2d)
        and module.padding_mode == "zeros"
        and Form.of(module.weight, module.stride, module.padding, module.dilation, module.groups) is not None
    )


def form_of_call(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Form | None:  # fmt: skip
    """The form of a convolution that the kernels serve; arguments as torch.conv2d's."""
    fits = input.ndim == 4 and input.device.type == "cpu" and min(input.shape[2:]) >= LEAST_SIZE
    return Form.of(weight, stride, padding, dilation, groups) if fits else None


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, kernels: Kernels, form: Form) -> Tensor:
        images, weight = laid_out(images), laid_out(weight)
        ctx.save_for_backward(images, weight)
        ctx.kernels = kernels
        return kernels.convolve(images, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        gradient = laid_out(gradient)
        for_images, for_weight, for_bias, *_ = ctx.needs_input_grad
        return (
            ctx.kernels.gradient_of_images(gradient, weight) if for_images else None,
            ctx.kernels.gradient_of_weight(images, gradient) if for_weight else None,
            _of_bias(gradient) if for_bias else None,
            None,
            None,
        )


class _Strided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, kernels: Kernels, form: Form) -> Tensor:
        images, low = laid_out(images), laid_out(weight).bfloat16()
        ctx.save_for_backward(images, low)
        ctx.kernels, ctx.form = kernels, form
        with torch.autocast("cpu", enabled=False):
            low_bias = bias.bfloat16() if bias is not None else None
            return nn.functional.conv2d(images, low, low_bias, form.stride, form.padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (images, low), form = ctx.saved_tensors, ctx.form
        gradient = laid_out(gradient)
        for_images, for_weight, for_bias, *_ = ctx.needs_input_grad
        of_weight = None
        if for_weight:
            of_weight = ctx.kernels.gradient_of_filter(
                images, gradient, size=form.size, stride=form.stride, padding=form.padding
            )
        return (
            _of_images(gradient, images, low, form) if for_images else None,
            of_weight,
            _of_bias(gradient) if for_bias else None,
            None,
            None,
        )


def _of_images(gradient: Tensor, images: Tensor, weight: Tensor, form: Form) -> Tensor:
    """The gradient of the images, computed by torch."""
    numbers = ([form.stride] * 2, [form.padding] * 2, [1, 1], False, [0, 0], 1)
    return torch.ops.aten.convolution_backward(gradient, images, weight, None, *numbers, (True, False, False))[0]


def _of_bias(gradient: Tensor) -> Tensor:
    return gradient.sum((0, 2, 3), dtype=torch.float32)


def laid_out(tensor: Tensor) -> Tensor:
    """The tensor channels-last, the layout that the kernels read."""
    return tensor.contiguous(memory_format=torch.channels_last)
