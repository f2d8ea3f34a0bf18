"""How fast a job's networks answer: each kind of network once, all of them in turns.

Most of what this costs is writing ONNX files. The student's is published later on; a teacher's is kept for later jobs,
its weights left out.
"""

import zlib
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from core.errors import InternalError
from core.evaluation.latency import SECONDS_EACH, Timing, speedup, time_in_turns
from core.events import NetworkFacts
from core.files.result_cache import ResultCache, content_address
from core.networks.facts import measure_network
from core.networks.inference import frozen_copy
from core.networks.network import Network
from core.results.onnx import write_onnx

KIND = "latency-graph"
MIN_WEIGHT_BYTES = 4096


class Latencies:
    """Of one job. Latency depends on a network's architecture, not on its weights."""

    def __init__(self, scratch: Path, result_cache: ResultCache) -> None:
        """`scratch`: a folder that lasts as long as this; `result_cache`: files of teachers that earlier jobs wrote."""
        self._scratch = scratch
        self._result_cache = result_cache
        self._files: dict[NetworkFacts, Path | None] = {}
        self._written: list[tuple[Network, Path]] = []
        self._teacher: NetworkFacts | None = None

    def add(self, network: Network) -> None:
        """Have a network measured that is one of the job's results.

        One that cannot be written as ONNX is left out: the student's export says so.
        """
        facts = measure_network(network)
        if facts not in self._files:
            self._files[facts] = self._write(network)

    def add_teacher(self, network: Network) -> None:
        """Have the teacher measured, which the other networks are compared with. It need not be writable as ONNX."""
        facts = self._teacher = measure_network(network)
        if facts not in self._files:
            self._files[facts] = self._kept(facts) or self._keep(facts, network)

    def measured(self, seconds_each: float = SECONDS_EACH) -> dict[NetworkFacts, dict[str, Any]]:
        """For each kind of network that was added: core.evaluation.latency.Timing.summary, and `speedup`.

        `speedup` says how many times as fast as the teacher it is (core.evaluation.latency.speedup); null without a
        teacher, for the teacher itself, and where the measurement cannot tell.
        """
        files = {facts: path for facts, path in self._files.items() if path is not None}
        timed = time_in_turns(list(files.values()), seconds_each=seconds_each) if files else []
        timings = dict(zip(files, timed, strict=True))
        teacher = timings.get(self._teacher) if self._teacher is not None else None
        return {
            facts: {**timing.summary(), "speedup": self._speedup(teacher, timing)} for facts, timing in timings.items()
        }

    @staticmethod
    def _speedup(teacher: Timing | None, timing: Timing) -> dict[str, float] | None:
        return None if teacher is None or teacher is timing else speedup(teacher, timing)

    def onnx_of(self, network: Network) -> Path | None:
        """The ONNX file that this very network was measured with; None where it was not."""
        return next((path for other, path in self._written if other is network), None)

    def _write(self, network: Network, *, optimized: bool = True) -> Path | None:
        path = self._scratch / f"{len(self._files)}.onnx"
        try:
            write_onnx(network, path, optimized=optimized)
        except InternalError:
            return None
        self._written.append((network, path))
        return path

    def _kept(self, facts: NetworkFacts) -> Path | None:
        content = self._result_cache.recall(KIND, _address(facts))
        if content is None:
            return None
        path = self._scratch / f"{len(self._files)}.onnx"
        path.write_bytes(zlib.decompress(content))
        return path

    def _keep(self, facts: NetworkFacts, network: Network) -> Path | None:
        # onnxruntime folds batch norms and optimizes by itself: as fast, and written in half of the time.
        path = self._write(frozen_copy(network), optimized=False)
        if path is not None:
            self._result_cache.keep(KIND, _address(facts), zlib.compress(_without_weights(path), level=1))
        return path


def _without_weights(path: Path) -> bytes:
    """The file with zeros for weights, which compress to almost nothing and take as long to multiply.

    Small constants stay: they may be the scale of a resize or the bound of an activation.
    """
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.raw_data) >= MIN_WEIGHT_BYTES:
            tensor.raw_data = bytes(len(tensor.raw_data))
    return model.SerializeToString()


def _address(facts: NetworkFacts) -> str:
    return content_address({**facts.model_dump(), "onnx": onnx.__version__, "runtime": onnxruntime.__version__})
