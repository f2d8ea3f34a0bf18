"""Traces one forward pass through a network: which module returned which shape, in which order.

The network does not change: it runs in evaluation mode (batch norms learn nothing) and without gradients, and random
generators get their former state back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Call:
    """The last call of one module. `order` counts starts and ends over the whole forward."""

    path: str
    module: nn.Module
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    started: int
    ended: int


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradient, random state of the CPU kept; everything is restored afterwards."""
    modes = {part: part.training for part in module.modules()}
    # nn.MultiheadAttention's fused path skips the modules inside it, so neither hooks nor counters would see them.
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        module.eval()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
        for part, training in modes.items():
            part.training = training


def example_pixels(module: nn.Module, size: int) -> torch.Tensor:
    """One grey image (1, 3, S, S) on the module's device, or on `meta`, which computes shapes only."""
    parameter = next(module.parameters(), torch.empty(0))
    return torch.zeros(1, 3, size, size, device=parameter.device, dtype=parameter.dtype)


def trace(module: nn.Module, pixels: torch.Tensor) -> tuple[list[Call], tuple[int, ...]]:
    """The calls of one forward pass in the order in which they end, and the shape of the logits."""
    calls: dict[str, Call] = {}
    starts: dict[str, int] = {}
    clock = iter(range(1 << 62))
    handles = []
    for path, part in module.named_modules():
        handles.append(part.register_forward_pre_hook(lambda *_, path=path: starts.update({path: next(clock)})))

        def note(part: nn.Module, inputs: tuple, output: object, path: str = path) -> None:
            calls.pop(path, None)
            calls[path] = Call(path, part, shape_of(inputs), shape_of(output), starts[path], next(clock))

        handles.append(part.register_forward_hook(note))
    try:
        with undisturbed(module):
            logits = logits_of(module(pixels))
    finally:
        for handle in handles:
            handle.remove()
    return list(calls.values()), tuple(logits.shape)


def shape_of(value: object) -> tuple[int, ...]:
    """The shape of a tensor or of the first one in a tuple or list; () where there is none."""
    if isinstance(value, tuple | list) and value:
        value = value[0]
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def logits_of(output: object) -> torch.Tensor:
    """The logits in the output of a classifier; some classifiers return auxiliary logits after the main ones."""
    logits = output[0] if isinstance(output, tuple | list) else output
    if not isinstance(logits, torch.Tensor):
        raise TypeError(f"a classifier returns a tensor, this network returned {type(output).__name__}")
    return logits
