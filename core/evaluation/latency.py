"""How long one image takes on one CPU thread: ONNX files in onnxruntime, as a customer would run them.

Networks that are compared take turns, because a machine's load and clock change within seconds: figures that were
measured one after the other would compare two loads.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

WARM_UP_RUNS = 5  # onnxruntime plans its memory on the first runs
WARM_UP_SECONDS = 0.3  # a large network warms up within fewer runs
MIN_ROUNDS = 5
MAX_ROUNDS = 200  # enough for a p95 that rests on 10 runs beyond it
SECONDS_EACH = 2.0
MAX_BLOCKS = 10


def open_session(onnx_path: Path) -> onnxruntime.InferenceSession:
    """The file in onnxruntime on one CPU thread, without chatter."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class Timing:
    """Seconds of one forward pass at batch 1 of a network, one value a round."""

    seconds: tuple[float, ...]

    def summary(self) -> dict[str, Any]:
        """JSON: median and 95th percentile in milliseconds, with the conditions they hold under."""
        p50, p95 = np.percentile(self.seconds, [50, 95])
        return {
            "p50_ms": float(p50) * 1e3,
            "p95_ms": float(p95) * 1e3,
            "runs": len(self.seconds),
            "threads": 1,
            "batch_size": 1,
            "runtime": f"onnxruntime {onnxruntime.__version__}",
        }


def time_in_turns(onnx_paths: Sequence[Path], *, seconds_each: float = SECONDS_EACH) -> list[Timing]:
    """One Timing for each file, in their order: in every round each network runs once.

    Rounds follow each other until `seconds_each` per file have passed or MAX_ROUNDS are done, at least MIN_ROUNDS.
    Decoding and resizing are left out. Before each timed run the network runs once untimed, because the one before it
    has filled the processor's caches.
    """
    runners = [_Runner(path) for path in onnx_paths]
    for runner in runners:
        runner.warm_up()
    rounds: list[list[float]] = []
    began = time.perf_counter()
    while len(rounds) < MIN_ROUNDS or (
        len(rounds) < MAX_ROUNDS and time.perf_counter() - began < seconds_each * len(runners)
    ):
        rounds.append([runner.timed() for runner in runners])
    return [Timing(tuple(column)) for column in zip(*rounds, strict=True)]


def speedup(slower: Timing, faster: Timing) -> dict[str, float] | None:
    """How many times as fast the second network is: {"ratio", "low", "high"}; None where the measurement cannot tell.

    The rounds of both are cut into the same consecutive blocks, ten at most. `ratio` is that of the medians of all
    rounds, `low` and `high` are the smallest and largest of a block: what a shorter measurement would have given.
    Where a ratio of 1 lies between them, the difference is smaller than the spread.
    """
    num_blocks = min(MAX_BLOCKS, len(slower.seconds))
    blocks = zip(np.array_split(slower.seconds, num_blocks), np.array_split(faster.seconds, num_blocks), strict=True)
    ratios = [float(np.median(ours) / np.median(theirs)) for ours, theirs in blocks]
    low, high = min(ratios), max(ratios)
    if low <= 1 <= high:
        return None
    return {"ratio": float(np.median(slower.seconds) / np.median(faster.seconds)), "low": low, "high": high}


class _Runner:
    """One network and the image that it answers."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path)
        feed = self._session.get_inputs()[0]
        shape = [1, *feed.shape[1:]]
        self._pixels = {feed.name: np.random.default_rng(0).standard_normal(shape, dtype=np.float32)}

    def warm_up(self) -> None:
        began = time.perf_counter()
        for _ in range(WARM_UP_RUNS):
            self._session.run(None, self._pixels)
            if time.perf_counter() - began > WARM_UP_SECONDS:
                return

    def timed(self) -> float:
        """Seconds of one run, after one that does not count."""
        self._session.run(None, self._pixels)
        start = time.perf_counter()
        self._session.run(None, self._pixels)
        return time.perf_counter() - start
