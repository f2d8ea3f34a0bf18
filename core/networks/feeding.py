"""Feeding a network a map of another's making: the part behind a tap goes on from it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from core.networks.network import Network


@contextmanager
def feeding(network: Network, tap: str | int, replacement: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """For the time of the block, what follows a tapped module sees `replacement(map)` in the place of its map.

    Both maps are (N, C, H, W). A module that is called in several places, such as one ReLU for all, is replaced where
    its map has the tap's shape. What goes past the module, along a skip connection, stays. Raises SpecInvalid for a
    tap that the network has not.
    """
    point = network.tap(tap)

    def replace(module: nn.Module, inputs: tuple, output: object) -> object:
        own = point.as_map(output)
        if own.shape[1:] != (point.channels, point.height, point.width):
            return output
        return point.as_output(replacement(own), output)

    handle = network.module.get_submodule(point.path).register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
