"""Latencies that jobs of the tests share, since measuring one means writing an ONNX file, which takes seconds."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from core.events import NetworkFacts
from core.networks.facts import measure_network
from core.networks.network import Network
from core.results.latencies import Latencies

_measured: dict[tuple[NetworkFacts, bool], dict[str, Any] | None] = {}


@contextlib.contextmanager
def latencies_measured_once() -> Iterator[None]:
    """Within this block a kind of network is measured once in a process, and later jobs get the same figure.

    What a job does with a latency does not depend on when it was measured. tests/core/results/test_latencies.py has the
    measurement itself.
    """
    measure = Latencies._measure

    def once(self: Latencies, network: Network, *, optimized: bool = True) -> dict[str, Any] | None:
        kind = (measure_network(network), optimized)
        if kind not in _measured:
            _measured[kind] = measure(self, network, optimized=optimized)
        return _measured[kind]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Latencies, "_measure", once)
        yield
