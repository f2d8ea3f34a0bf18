"""ONNX files that jobs of the tests share for measuring latencies, since writing one takes seconds."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.events import NetworkFacts
from core.networks.facts import measure_network
from core.networks.network import Network
from core.results.latencies import Latencies

_contents: dict[tuple[NetworkFacts, bool], bytes | None] = {}


@contextlib.contextmanager
def measured_files_written_once() -> Iterator[None]:
    """Within this block a file to measure is written once in a process for each kind of network.

    Latency does not depend on the weights. A file that a job publishes has weights that matter and is always written.
    """
    write = Latencies._write

    def once(self: Latencies, network: Network, *, optimized: bool = True) -> Path | None:
        kind = (measure_network(network), optimized)
        if kind not in _contents:
            path = write(self, network, optimized=optimized)
            _contents[kind] = path.read_bytes() if path else None
            return path
        content = _contents[kind]
        if content is None:
            return None
        path = self._scratch / f"{len(self._files)}.onnx"
        path.write_bytes(content)
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Latencies, "_write", once)
        yield
