"""Depthwise convolutions are trained in float32 on a CPU, also where the rest of the network is in bfloat16."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class DepthwiseInFloat(TorchFunctionMode):
    """While it is active, depthwise convolutions that need a gradient compute in float32 under bfloat16 autocast.

    oneDNN's backward pass of a depthwise convolution takes longer in bfloat16 than in float32: whole training steps of
    such students are up to 1.8 times faster in float32 (docs/explanation/performance.md). The result is bfloat16 again,
    as the rest of the network expects.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """torch calls this for each of its functions while the mode is active."""
        kwargs = kwargs or {}
        if func is torch.conv2d and len(args) > 1 and _is_trained_depthwise(args[0], args[1]):
            dtype = torch.get_autocast_dtype("cpu")
            with torch.autocast("cpu", enabled=False):
                return func(args[0].float(), *args[1:], **kwargs).to(dtype)
        return func(*args, **kwargs)


def _is_trained_depthwise(images: Tensor, weight: Tensor) -> bool:
    """Whether it is a depthwise convolution, images (N, C, H, W) with C > 1 and float32 weights (C m, 1, h, w), that a
    backward pass follows.
    """
    return (
        torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and weight.dtype == torch.float32
        and weight.shape[1] == 1 < images.shape[1]
    )
