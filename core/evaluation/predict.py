"""The logits of a network for a whole split."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from core.data.image_file import Images
from core.system.device import images_at_once
from core.system.memory import is_out_of_memory

Views = Callable[[Tensor], Tensor]
"""Test views: uint8 N 3 S S -> float32 N 3 V V in [0, 1]."""


def predict(
    network: nn.Module, images: Images, *, views: Views, batch_size: int | None = None, device: Any = "cpu"
) -> Tensor:
    """Logits of `network` for uint8 images N 3 S S: float32 N K, on the CPU.

    The network is on `device` and is called with pixels in [0, 1] that `views` returns. Every module is in eval mode
    meanwhile and gets its own mode back. When memory runs out, `batch_size` is halved for the rest; the error of a
    batch of one image is raised. Raises ValueError without images.
    """
    if not len(images):
        raise ValueError("no images to predict: the split is empty")
    parts: list[Tensor] = []
    start, size = 0, batch_size or images_at_once(images.shape[-1], torch.device(device))
    with torch.inference_mode(), evaluating(network):
        while start < len(images):
            some = images[start : start + size]
            said = _said(network, some, views, device)
            if said is not None:
                parts.append(said)
                start += len(some)
                continue
            size = (len(some) + 1) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    return torch.cat(parts)


def _said(network: nn.Module, images: Tensor, views: Views, device: Any) -> Tensor | None:
    """Logits of a few images; None if memory ran out and fewer images might fit. It returns instead of raising, because
    an error that is being handled keeps the tensors of the attempt alive.
    """
    try:
        return network(views(images.to(device))).float().cpu()
    except Exception as error:
        if len(images) == 1 or not is_out_of_memory(error):
            raise
        return None


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode for the block; afterwards each module has the mode it had, frozen parts included."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
