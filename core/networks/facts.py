"""What a network costs: parameters, multiply-accumulates of one image, bytes."""

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

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
    counter = FlopCounterMode(display=False)
    # torch counts a fused attention kernel only on some devices; as plain products it is counted everywhere.
    with undisturbed(network.module), sdpa_kernel(SDPBackend.MATH), counter:
        network.module(example_pixels(network.module, network.input.size))
    return counter.get_total_flops() // 2  # the counter takes a multiply-accumulate for two
