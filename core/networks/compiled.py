"""torch.compile around a network's features, with a way back: what cannot be compiled runs as it is, and says why."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from core.networks.taps import TapPoint

if TYPE_CHECKING:
    from core.networks.network import Features, Network


class CompiledFeatures:
    """Compiles once for each set of taps, when they are first asked for. The cache of compiled code is torch's own, on
    disk."""

    def __init__(self, network: "Network", notice: Callable[[str], None] | None) -> None:
        # In a tuple, or the network would become its own submodule.
        self._network = (network,)
        self._notice = notice or (lambda message: None)
        self._functions: dict[tuple[TapPoint, ...], Callable[[torch.Tensor], Features]] = {}
        self._broken = False

    def features(self, pixels: torch.Tensor, points: tuple[TapPoint, ...]) -> "Features":
        """What Network.features gives."""
        network = self._network[0]
        if self._broken:
            return network.observed(pixels, points)
        if points not in self._functions:
            self._functions[points] = self._compile(points)
        try:
            return self._functions[points](pixels)
        except Exception as error:  # whatever dynamo, inductor or the C++ compiler raise
            if not _is_of_compilation(error):
                raise
            self._broken = True
            reason = str(error).strip().splitlines()
            self._notice(
                f"torch.compile failed for {network.architecture}, which runs uncompiled: "
                f"{type(error).__name__}: {reason[0] if reason else 'it does not say why'}"
            )
            return network.observed(pixels, points)

    def _compile(self, points: tuple[TapPoint, ...]) -> Callable[[torch.Tensor], "Features"]:
        network = self._network[0]

        def observed(pixels: torch.Tensor) -> "Features":
            return network.observed(pixels, points)

        mode = "reduce-overhead" if next(network.parameters()).is_cuda else None  # CUDA graphs
        return torch.compile(observed, dynamic=False, mode=mode)


def _is_of_compilation(error: Exception) -> bool:
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "torch._functorch"))
