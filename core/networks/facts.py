"""What a network costs: parameters, multiply-accumulates of one image, bytes."""

from typing import Any

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from core.events import NetworkFacts
from core.networks.network import Network
from core.networks.trace import example_pixels, undisturbed


def measure_network(network: Network) -> NetworkFacts:
    """The facts of the network at its own input size; on the meta device nothing is computed."""
    state = network.module.state_dict()
    return NetworkFacts(
        architecture=network.architecture,
        num_params=sum(parameter.numel() for parameter in network.module.parameters()),
        macs=count_macs(network),
        bytes=sum(value.numel() * value.element_size() for value in state.values()),
        input_size=network.input.size,
        num_classes=network.num_classes,
    )


def count_macs(network: Network) -> int:
    """Multiply-accumulates of one image: convolutions, linear layers and the products inside attention.

    Batch norm, activations and pooling are left out, as in the literature's figures.
    """
    counter = _ProductCounter()
    # torch counts a fused attention kernel only on some devices; as plain products it is counted everywhere.
    with undisturbed(network.module), sdpa_kernel(SDPBackend.MATH), counter:
        network.module(example_pixels(network.module, network.input.size))
    return counter.flops // 2  # torch's formulas take a multiply-accumulate for two


class _ProductCounter(TorchDispatchMode):
    """Adds up torch's own formulas for every product that runs.

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
