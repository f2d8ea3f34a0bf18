"""A torch function mode in which the kernels compute the layers that they support; torch computes all others."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from core.kernels import convolutions, normalization
from core.kernels.calls import Kernels
from core.kernels.convolutions import convolve, form_of_call
from core.kernels.normalization import Deferred, computed, follow, normalize, serves_call


class ByKernels(TorchFunctionMode):
    """While it is active, layers that need a gradient are computed by the kernels under bfloat16 autocast.

    These are 3x3 convolutions of stride 1; of stride 2 only the gradients of their weights; and batch norms in
    training, with the addition and the activation that follow them.
    """

    def __init__(self, kernels: Kernels) -> None:
        super().__init__()
        self._kernels = kernels

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """torch calls this for each of its functions while the mode is active."""
        kwargs = kwargs or {}
        if torch.compiler.is_compiling():
            return func(*args, **kwargs)
        if Deferred in map(type, args):
            followed = follow(func, args, kwargs)
            if followed is not None:
                return followed
            args = tuple(computed(each) for each in args)
        if func is torch.conv2d and _is_trained_low():
            form = form_of_call(*args, **kwargs)
            if form is not None:
                return convolve(self._kernels, form, *args, **kwargs)
        if func is functional.batch_norm and _is_trained_low() and serves_call(*args, **kwargs):
            return normalize(self._kernels, *args, **kwargs)
        return func(*args, **kwargs)


def _is_trained_low() -> bool:
    return (
        torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def serves(module: nn.Module) -> bool:
    """Whether the kernels compute this layer or its gradient of weights, unless its images are tiny."""
    return convolutions.serves(module) or normalization.serves(module)
