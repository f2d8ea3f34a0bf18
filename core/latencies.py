"""How fast a job's networks answer: each kind of network measured once, a teacher's figure kept for later jobs.

Most of what this costs is writing ONNX files; the student's is published later on.
"""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import onnxruntime

from core.errors import InternalError
from core.events import NetworkFacts
from core.latency import measure_latency
from core.networks.facts import measure_network
from core.networks.network import Network
from core.onnx_file import write_onnx
from core.whole_file import write_whole

FOLDER = "latency"
_log = logging.getLogger(__name__)


class Latencies:
    """Of one job. Latency depends on a network's architecture, not on its weights."""

    def __init__(self, scratch: Path, cache: Path) -> None:
        """`scratch`: a folder that lasts as long as this; `cache`: the engine's, for what later jobs of the same
        machine need not measure."""
        self._scratch = scratch
        self._cache = cache / FOLDER
        self._known: dict[NetworkFacts, dict[str, Any] | None] = {}
        self._written: list[tuple[Network, Path]] = []

    def measured(self, network: Network) -> dict[str, Any] | None:
        """What core.latency measures, in this job.

        None for a network that cannot be written as ONNX: a teacher need not be, and the student's export says so.
        """
        facts = measure_network(network)
        if facts not in self._known:
            self._known[facts] = self._measure(network)
        return self._known[facts]

    def remembered(self, network: Network) -> dict[str, Any] | None:
        """The same, from an earlier job where one measured it on this machine."""
        path = self._cache / f"{_key(measure_network(network))}.json"
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            pass
        except (OSError, ValueError):
            _log.warning("the latency in %s cannot be read and is measured anew", path.name)
        found = self.measured(network)
        if found is not None:
            _keep(path, found)
        return found

    def onnx_of(self, network: Network) -> Path | None:
        """The ONNX file that this very network was measured with; None where it was not."""
        return next((path for other, path in self._written if other is network), None)

    def _measure(self, network: Network) -> dict[str, Any] | None:
        path = self._scratch / f"{len(self._written)}.onnx"
        try:
            write_onnx(network, path)
        except InternalError:
            return None
        self._written.append((network, path))
        return measure_latency(path)


def _keep(path: Path, latency: dict[str, Any]) -> None:
    """For later jobs; one that is trained and measured does not fail for want of room for that."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(latency))
    except OSError as error:
        _log.warning("the latency of a teacher is not kept for later jobs: %s", error)


def _key(facts: NetworkFacts) -> str:
    content = {**facts.model_dump(), "runtime": onnxruntime.__version__, "processor": _processor()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _processor() -> str:
    """Its name as Linux tells it, for caches that several machines share."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
