import time

import onnx
import pytest
from onnx import TensorProto, helper

from core.evaluation.latency import MAX_RUNS, MIN_RUNS, measure_latency


@pytest.fixture
def pooling_onnx(tmp_path):
    """An ONNX file made without torch: the mean of each channel of images of 3 x 64 x 64."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 64, 64])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3, 1, 1])
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["images"], ["logits"])], "g", [images], [logits])
    path = tmp_path / "pool.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_latency_says_its_conditions_and_ends_in_time(pooling_onnx):
    began = time.perf_counter()
    latency = measure_latency(pooling_onnx, max_seconds=0.2)
    assert time.perf_counter() - began < 2
    assert 0 < latency["p50_ms"] <= latency["p95_ms"] < 200
    assert latency["threads"] == latency["batch_size"] == 1
    assert latency["runtime"].startswith("onnxruntime 1.")
    assert MIN_RUNS <= latency["runs"] <= MAX_RUNS


def test_a_slow_network_still_gets_a_few_runs(pooling_onnx):
    assert measure_latency(pooling_onnx, max_seconds=0.0)["runs"] == MIN_RUNS
