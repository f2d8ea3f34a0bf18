"""Weights from a file into a network, as core.networks.teacher puts the steps together."""

from pathlib import Path

from core.networks.network import Network
from core.networks.weights.fit import load_state
from core.networks.weights.reading import read_weights
from core.policy import Policy


def load_weights(network: Network, path: Path, *, policy: Policy, strict_head: bool = True) -> Network:
    """Load the file's weights into the network; returns it."""
    pointer = "/teacher/weights"
    state, _ = read_weights(path, policy=policy, pointer=pointer)
    load_state(network, state, strict_head=strict_head, source=path.name, pointer=pointer)
    return network
