"""Latencies are measured in turns, and a ratio is given only where it is larger than its spread."""

import time
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from core.evaluation import latency as module
from core.evaluation.latency import MAX_ROUNDS, MIN_ROUNDS, Timing, speedup, time_in_turns


@pytest.fixture
def pooling_onnx(tmp_path: Path) -> Callable[[int], Path]:
    """ONNX files made without torch: the mean of each channel of images of 3 x side x side."""

    def write(side: int) -> Path:
        images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, side, side])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3, 1, 1])
        node = helper.make_node("GlobalAveragePool", ["images"], ["logits"])
        graph = helper.make_graph([node], "g", [images], [logits])
        path = tmp_path / f"pool{side}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
        return path

    return write


def test_a_timing_says_its_conditions_and_the_measurement_ends_in_time(pooling_onnx: Callable[[int], Path]) -> None:
    began = time.perf_counter()
    (timing,) = time_in_turns([pooling_onnx(64)], seconds_each=0.2)
    assert time.perf_counter() - began < 10
    told = timing.summary()
    assert 0 < told["p50_ms"] <= told["p95_ms"]
    assert told["threads"] == told["batch_size"] == 1
    assert told["runtime"].startswith("onnxruntime 1.")
    assert MIN_ROUNDS <= told["runs"] <= MAX_ROUNDS


def test_slow_networks_still_get_a_few_rounds(pooling_onnx: Callable[[int], Path]) -> None:
    timings = time_in_turns([pooling_onnx(64), pooling_onnx(32)], seconds_each=0.0)
    assert [len(timing.seconds) for timing in timings] == [MIN_ROUNDS, MIN_ROUNDS]


def test_networks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []

    class Runner:
        def __init__(self, path: Path) -> None:
            self.name = path.name

        def warm_up(self) -> None: ...

        def timed(self) -> float:
            turns.append(self.name)
            return len(turns)

    monkeypatch.setattr(module, "_Runner", Runner)
    first, second = time_in_turns([Path("a"), Path("b")], seconds_each=0.0)
    assert turns == ["a", "b"] * MIN_ROUNDS
    assert first.seconds == (1, 3, 5, 7, 9)
    assert second.seconds == (2, 4, 6, 8, 10)


def test_a_load_that_both_networks_meet_leaves_the_ratio_as_it_is() -> None:
    load = [1 + (place // 50) for place in range(200)]  # the machine gets four times as slow
    told = speedup(Timing(tuple(8.0 * each for each in load)), Timing(tuple(2.0 * each for each in load)))
    assert told == {"ratio": pytest.approx(4), "low": pytest.approx(4), "high": pytest.approx(4)}


def test_the_spread_is_that_of_the_blocks() -> None:
    slow = [10.0] * 100 + [12.0] * 100
    told = speedup(Timing(tuple(slow)), Timing((2.0,) * 200))
    assert told == {"ratio": pytest.approx(5.5), "low": pytest.approx(5), "high": pytest.approx(6)}


def test_a_slower_network_has_a_ratio_below_one() -> None:
    told = speedup(Timing((1.0,) * 20), Timing((4.0,) * 20))
    assert told is not None
    assert told["ratio"] == pytest.approx(0.25)


def test_no_ratio_where_the_spread_is_larger_than_the_difference() -> None:
    uneven = Timing(tuple([0.9] * 100 + [1.2] * 100))
    assert speedup(uneven, Timing((1.0,) * 200)) is None
    assert speedup(Timing((1.0,) * 9), Timing((1.0,) * 9)) is None
