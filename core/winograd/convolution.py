"""The kernel in a network's forward pass: it takes the convolutions that it can, and torch the others."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from core.winograd.library import CHANNELS_AT_ONCE, MOST_CHANNELS, Kernel

# Pixels. In smaller maps most of a tile would lie outside.
LEAST_SIZE = 4


class Winograd(TorchFunctionMode):
    """Within it, and where autocast computes in bfloat16, 3x3 convolutions that need a gradient go to the kernel.

    Weights stay in float32 until they are transformed, and their gradients come in float32.
    """

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self._kernel = kernel

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Every torch function that is called meanwhile goes through here."""
        kwargs = kwargs or {}
        if func is torch.conv2d and not torch.compiler.is_compiling() and _is_trained(*args, **kwargs):
            return self._convolve(*args, **kwargs)
        return func(*args, **kwargs)

    def _convolve(self, input: Tensor, weight: Tensor, bias: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        return _Convolution.apply(input.bfloat16(), weight, bias, self._kernel)


def serves(module: nn.Module) -> bool:
    """Whether the kernel computes this layer, where its images are not tiny."""
    return (
        isinstance(module, nn.Conv2d)
        and module.padding_mode == "zeros"
        and _has_the_form(module.weight, module.stride, module.padding, module.dilation, module.groups)
    )


def _is_trained(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> bool:  # fmt: skip
    """Whether these are arguments of torch.conv2d that the kernel serves, with a backward pass to come."""
    return (
        _has_the_form(weight, stride, padding, dilation, groups)
        and input.ndim == 4
        and input.device.type == "cpu"
        and min(input.shape[2:]) >= LEAST_SIZE
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def _has_the_form(weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    return (
        weight.dtype == torch.float32
        and weight.shape[2:] == (3, 3)
        and groups == 1
        and all(value in (1, (1, 1), [1, 1]) for value in (stride, padding, dilation))
        and all(size % CHANNELS_AT_ONCE == 0 and size <= MOST_CHANNELS for size in weight.shape[:2])
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, kernel: Kernel) -> Tensor:
        images, weight = _laid_out(images), _laid_out(weight)
        ctx.save_for_backward(images, weight)
        ctx.kernel = kernel
        return kernel.convolve(images, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        images, weight = ctx.saved_tensors
        gradient = _laid_out(gradient)
        for_images, for_weight, for_bias, _ = ctx.needs_input_grad
        return (
            ctx.kernel.gradient_of_images(gradient, weight) if for_images else None,
            ctx.kernel.gradient_of_weight(images, gradient) if for_weight else None,
            gradient.sum((0, 2, 3), dtype=torch.float32) if for_bias else None,
            None,
        )


def _laid_out(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)
