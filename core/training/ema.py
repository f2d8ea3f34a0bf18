"""Exponential moving average of weights (Polyak averaging): the averaged network is evaluated and exported."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class ExponentialAverage:
    """The running average of a module's parameters and floating buffers; integer buffers follow the module."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = module
        self.decay = decay
        self.average = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after step `step` (from 0) to the average. Early steps have a larger share, so that the
        random start disappears from the average.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        floats: tuple[list[Tensor], list[Tensor]] = ([], [])
        for name, value in self.module.state_dict().items():
            if value.is_floating_point():
                floats[0].append(self.average[name])
                floats[1].append(value)
            else:
                self.average[name].copy_(value)
        torch._foreach_lerp_(*floats, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Run the block with the averaged weights in the module; afterwards it has its own weights again, bit for
        bit.
        """
        own = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(self.average)
        try:
            yield
        finally:
            self.module.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights."""
        return self.average

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the averaged weights from a checkpoint."""
        for name, value in state.items():
            self.average[name].copy_(value)
