"""torch.compile of a network's features; a network that cannot be compiled runs uncompiled and reports why."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

import torch

from core.networks.taps import TapPoint


class Outputs(Protocol):
    """What a network computes: Features."""

    def clone(self) -> Self:
        """A copy in memory of its own."""


Output = TypeVar("Output", bound=Outputs, covariant=True)


class Observed(Protocol[Output]):
    """A network, as far as its compilation needs to know it."""

    architecture: str

    def observed(self, pixels: torch.Tensor, points: Sequence[TapPoint]) -> Output:
        """Its outputs for (N, 3, V, V) pixels in [0, 1], with a map for each point, without compilation."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """Its weights."""


def begin_step() -> None:
    """Tell CUDA graphs that their earlier outputs are no longer used, so that they may use the memory again.

    Call it at the beginning of a batch, before any network runs. Without it torch would take every call for a new step
    and free the teacher's outputs while the student computes.
    """
    if CompiledFeatures.by_graphs:
        torch.compiler.cudagraph_mark_step_begin()


class CompiledFeatures(Generic[Output]):
    """Compiles once for each set of taps, when it is first used. torch keeps the compiled code in its cache on disk. On
    a GPU the kernels are launched as CUDA graphs: their outputs are valid until the next step (`begin_step`); outputs
    without a gradient are copied and stay valid.
    """

    by_graphs = False
    """Whether any network of this process is computed by CUDA graphs."""

    def __init__(self, network: Observed[Output], notify: Callable[[str], None] | None) -> None:
        # In a tuple: as an attribute of its own the network would become its own submodule.
        self._network = (network,)
        self._notify = notify or (lambda message: None)
        self._functions: dict[tuple[TapPoint, ...], Callable[[torch.Tensor], Output]] = {}
        self._broken = False

    def features(self, pixels: torch.Tensor, points: tuple[TapPoint, ...]) -> Output:
        """The same as Network.features."""
        network = self._network[0]
        if self._broken:
            return network.observed(pixels, points)
        if points not in self._functions:
            self._functions[points] = self._compile(points)
        try:
            features = self._functions[points](pixels)
        except Exception as error:  # whatever dynamo, inductor or the C++ compiler raise
            if not _is_of_compilation(error):
                raise
            self._broken = True
            reason = str(error).strip().splitlines()
            self._notify(
                f"torch.compile failed for {network.architecture}, which runs uncompiled: "
                f"{type(error).__name__}: {reason[0] if reason else 'it does not say why'}"
            )
            return network.observed(pixels, points)
        return features.clone() if pixels.is_cuda and not torch.is_grad_enabled() else features

    def _compile(self, points: tuple[TapPoint, ...]) -> Callable[[torch.Tensor], Output]:
        network = self._network[0]

        def observed(pixels: torch.Tensor) -> Output:
            return network.observed(pixels, points)

        _keep_headers()
        # With several ranks, batch norms communicate within the forward pass; whether a CUDA graph allows that was not
        # tried.
        if next(network.parameters()).is_cuda and not torch.distributed.is_initialized():
            CompiledFeatures.by_graphs = True
            return torch.compile(observed, dynamic=False, mode="reduce-overhead")
        return torch.compile(observed, dynamic=False)


def _keep_headers() -> None:
    """Let torch keep its precompiled C++ headers beside its compiled code. By default it writes them to the temporary
    folder, before it looks into its cache. Where that folder is deleted with the job, making them again takes most of
    the time that the cache saves.
    """
    from torch._inductor import codecache  # imported here because only compiled networks need it

    headers = Path(codecache.cache_dir()) / "precompiled_headers"
    codecache._HEADER_DIR, codecache._HEADER_LOCK_DIR = str(headers), str(headers / "locks")


def _is_of_compilation(error: Exception) -> bool:
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "torch._functorch"))
