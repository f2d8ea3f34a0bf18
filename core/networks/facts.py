"""The cost of a network: parameters, multiply-accumulates of one image, bytes."""

from typing import Any

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from core.events import NetworkFacts
from core.networks.network import Network
from core.networks.trace import example_pixels, undisturbed


def measure_network(network: Network) -> NetworkFacts:
    """The cost of the network at its own input size; on the meta device only shapes are computed."""
    return measure_module(network.module, network.architecture, network.num_classes, network.input.size)


def measure_module(module: nn.Module, architecture: str, num_classes: int, input_size: int) -> NetworkFacts:
    """The cost of a module that maps an image (1, 3, S, S) to logits."""
    return NetworkFacts(
        architecture=architecture,
        num_params=sum(parameter.numel() for parameter in module.parameters()),
        macs=count_macs(module, input_size),
        bytes=sum(value.numel() * value.element_size() for value in module.state_dict().values()),
        input_size=input_size,
        num_classes=num_classes,
    )


def count_macs(module: nn.Module, input_size: int) -> int:
    """Multiply-accumulates of one image: convolutions, linear layers and the products inside attention.

    Batch norm, activations and pooling are left out, as in the literature's figures.
    """
    counter = _ProductCounter()
    # torch counts fused attention kernels only on some devices; as plain matrix products they are counted everywhere.
    with undisturbed(module), sdpa_kernel(SDPBackend.MATH), counter:
        module(example_pixels(module, input_size))
    return counter.flops // 2  # torch's formulas count a multiply-accumulate as two operations


class _ProductCounter(TorchDispatchMode):
    """Counts the multiply-accumulates of every product that runs, by torch's own formulas.

    torch's FlopCounterMode does the same, but also follows modules for the backward pass, which fails on networks whose
    parameters are inputs of modules (CaiT, PiT).
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result
