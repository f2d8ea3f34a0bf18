"""The kernels in a network's forward pass: they take what they can, and torch the rest."""

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
    """Within it, and where autocast computes in bfloat16, what needs a gradient goes to the kernels.

    Of 3x3 convolutions those of stride 1 whole, of stride 2 the gradients of weights; batch norms in training, with
    the addition and the activation that follow them.
    """

    def __init__(self, kernels: Kernels) -> None:
        super().__init__()
        self._kernels = kernels

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Every torch function that is called meanwhile goes through here."""
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
    """Whether the kernels compute some of this layer, where its images are not tiny."""
    return convolutions.serves(module) or normalization.serves(module)
