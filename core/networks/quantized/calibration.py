"""Maps the values of a network to integers from 0 to 255, by the range that they have for calibration images."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from core.system.device import images_at_once

LARGEST = 255


@dataclass(frozen=True)
class Scale:
    """A real value is `step` * (integer - `zero`)."""

    step: float
    zero: int

    @classmethod
    def of(cls, smallest: float, largest: float) -> "Scale":
        """The scale for values in this range. Zero is represented exactly, because padding consists of zeros."""
        smallest, largest = min(smallest, 0.0), max(largest, 0.0)
        step = max((largest - smallest) / LARGEST, 1e-12)
        return cls(step, round(-smallest / step))


def scales(module: fx.GraphModule, values: Iterable[fx.Node], pixels: Tensor) -> dict[fx.Node, Scale]:
    """A scale for each of the values, from the range that it takes for these (N, 3, V, V) pixels.

    The whole range is used: cutting off the largest values, for finer steps of the others, changed the logits more.
    """
    watch = _Watch(module, frozenset(values))
    # In batches of half the usual size: this forward pass is in float32 and keeps shortcuts beside the convolved maps.
    with torch.no_grad():
        for part in pixels.split(images_at_once(pixels.shape[-1], pixels.device) // 2):
            watch.run(part)
    return {node: Scale.of(smallest, largest) for node, (smallest, largest) in watch.ranges.items()}


class _Watch(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, values: frozenset[fx.Node]) -> None:
        super().__init__(module)
        self._values = values
        self.ranges: dict[fx.Node, tuple[float, float]] = {}

    def run_node(self, node: fx.Node) -> object:
        value = super().run_node(node)
        if node in self._values:
            smallest, largest = (each.item() for each in value.aminmax())
            seen = self.ranges.get(node, (smallest, largest))
            self.ranges[node] = (min(smallest, seen[0]), max(largest, seen[1]))
        return value
