"""How fast a job's networks answer: each kind of network measured once, a teacher's figure kept for later jobs.

Most of what this costs is writing ONNX files; the student's is published later on.
"""

import json
from pathlib import Path
from typing import Any

import onnxruntime

from core.errors import InternalError
from core.evaluation.latency import measure_latency
from core.events import NetworkFacts
from core.files.result_cache import ResultCache, content_address
from core.networks.facts import measure_network
from core.networks.inference import frozen_copy
from core.networks.network import Network
from core.results.onnx import write_onnx

KIND = "latency"


class Latencies:
    """Of one job. Latency depends on a network's architecture, not on its weights."""

    def __init__(self, scratch: Path, result_cache: ResultCache) -> None:
        """`scratch`: a folder that lasts as long as this; `result_cache`: what earlier jobs measured."""
        self._scratch = scratch
        self._result_cache = result_cache
        self._known: dict[NetworkFacts, dict[str, Any] | None] = {}
        self._written: list[tuple[Network, Path]] = []

    def measured(self, network: Network) -> dict[str, Any] | None:
        """What core.evaluation.latency measures, in this job.

        None for a network that cannot be written as ONNX: a teacher need not be, and the student's export says so.
        """
        facts = measure_network(network)
        if facts not in self._known:
            self._known[facts] = self._measure(network)
        return self._known[facts]

    def remembered(self, network: Network) -> dict[str, Any] | None:
        """The same of a network that is not published, from an earlier job where one measured it on this machine."""
        facts = measure_network(network)
        content = self._result_cache.recall(KIND, _address(facts))
        if content is not None:
            return json.loads(content)
        if facts not in self._known:
            # onnxruntime folds batch norms and optimizes by itself: as fast, and written in half of the time.
            self._known[facts] = self._measure(frozen_copy(network), optimized=False)
        found = self._known[facts]
        if found is not None:
            self._result_cache.keep(KIND, _address(facts), json.dumps(found).encode())
        return found

    def onnx_of(self, network: Network) -> Path | None:
        """The ONNX file that this very network was measured with; None where it was not."""
        return next((path for other, path in self._written if other is network), None)

    def _measure(self, network: Network, *, optimized: bool = True) -> dict[str, Any] | None:
        path = self._scratch / f"{len(self._written)}.onnx"
        try:
            write_onnx(network, path, optimized=optimized)
        except InternalError:
            return None
        self._written.append((network, path))
        return measure_latency(path)


def _address(facts: NetworkFacts) -> str:
    return content_address({**facts.model_dump(), "runtime": onnxruntime.__version__, "processor": _processor()})


def _processor() -> str:
    """Its name as Linux tells it, for caches that several machines share."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
