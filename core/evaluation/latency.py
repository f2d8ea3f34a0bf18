"""Latency of one image on one CPU thread: the ONNX file in onnxruntime, as a customer would run it."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

WARM_UP_RUNS = 5  # onnxruntime plans its memory on the first runs
WARM_UP_SECONDS = 0.3  # a large network needs fewer runs to warm up
MIN_RUNS = 5
MAX_RUNS = 200  # enough for a p95 that rests on 10 runs beyond it


def open_session(onnx_path: Path) -> onnxruntime.InferenceSession:
    """The file in onnxruntime on one CPU thread; only errors are logged."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])


def measure_latency(onnx_path: Path, *, max_seconds: float = 2.0) -> dict[str, Any]:
    """Milliseconds of one forward pass at batch 1: median and 95th percentile, with the conditions of the measurement.

    Runs until `max_seconds` have passed or MAX_RUNS are done, at least MIN_RUNS. Decoding and resizing are left out.
    """
    session = open_session(onnx_path)
    feed = session.get_inputs()[0]
    shape = [1, *feed.shape[1:]]
    pixels = {feed.name: np.random.default_rng(0).standard_normal(shape, dtype=np.float32)}
    _run(session, pixels, most=WARM_UP_RUNS, least=1, seconds=WARM_UP_SECONDS)
    runs = _run(session, pixels, most=MAX_RUNS, least=MIN_RUNS, seconds=max_seconds)
    p50, p95 = np.percentile(runs, [50, 95])
    return {
        "p50_ms": float(p50) * 1e3,
        "p95_ms": float(p95) * 1e3,
        "runs": len(runs),
        "threads": 1,
        "batch_size": 1,
        "runtime": f"onnxruntime {onnxruntime.__version__}",
    }


def _run(
    session: onnxruntime.InferenceSession, pixels: dict[str, Any], *, most: int, least: int, seconds: float
) -> list[float]:
    durations: list[float] = []
    began = time.perf_counter()
    while len(durations) < least or (len(durations) < most and time.perf_counter() - began < seconds):
        start = time.perf_counter()
        session.run(None, pixels)
        durations.append(time.perf_counter() - start)
    return durations
