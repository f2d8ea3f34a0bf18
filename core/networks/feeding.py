"""Replaces a feature map within a forward pass: the layers behind a tap compute from the given map."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from core.networks.network import Network


@contextmanager
def feeding(network: Network, tap: str | int, replacement: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within the block, the layers after a tapped module receive `replacement(map)` instead of its map.

    Both maps are (N, C, H, W). For a module that is called several times, such as one ReLU for all layers, only the
    calls whose map has the tap's shape are replaced. Values that bypass the module on a skip connection stay. Raises
    SpecInvalid for a tap that does not exist.
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
