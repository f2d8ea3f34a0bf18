"""Each kind of network is measured once a job, in turns with the others; a teacher's file is written once a machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from core.errors import InternalError
from core.evaluation.latency import Timing, open_session
from core.files.result_cache import ResultCache
from core.networks.facts import measure_network
from core.networks.network import Network
from core.networks.zoo import build
from core.results import latencies as module
from core.results.latencies import Latencies

pytestmark = pytest.mark.slow


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[list[Path]]:
    """The files of each measurement, which takes no time: the first file is the slowest."""
    seen: list[list[Path]] = []

    def measure(paths: Sequence[Path], *, seconds_each: float = 0.0) -> list[Timing]:
        seen.append(list(paths))
        return [Timing((1.0 / (place + 1),) * 20) for place in range(len(paths))]

    monkeypatch.setattr(module, "time_in_turns", measure)
    return seen


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The architectures that were written as ONNX."""
    seen: list[str] = []
    write = module.write_onnx

    def written(network: Network, path: Path, *, optimized: bool = True) -> None:
        seen.append(network.architecture)
        write(network, path, optimized=optimized)

    monkeypatch.setattr(module, "write_onnx", written)
    return seen


@pytest.fixture
def unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are only there: the exporter takes seconds."""

    def write(network: Network, path: Path, *, optimized: bool = True) -> None:
        path.touch()

    monkeypatch.setattr(module, "write_onnx", write)
    monkeypatch.setattr(module, "_without_weights", lambda path: b"")


@pytest.fixture
def small() -> Network:
    return build("cifar/resnet8", 3).eval()


@pytest.fixture
def big() -> Network:
    return build("cifar/resnet14", 3).eval()


@pytest.fixture
def latencies(tmp_path: Path) -> Callable[[str], Latencies]:
    """Those of a job of this name, on a machine whose cache all jobs share."""

    def of(job: str) -> Latencies:
        (tmp_path / job).mkdir()
        return Latencies(tmp_path / job, ResultCache(tmp_path / "cache"))

    return of


@pytest.mark.usefixtures("unwritten")
def test_all_networks_are_measured_together_and_each_kind_once(
    timed: list[list[Path]], small: Network, big: Network, latencies: Callable[[str], Latencies]
) -> None:
    known = latencies("job")
    for network in (small, build("cifar/resnet8", 3), big):
        known.add(network)
    told = known.measured()
    assert [len(paths) for paths in timed] == [2]
    assert told[measure_network(small)]["p50_ms"] == 1000
    assert told[measure_network(big)]["p50_ms"] == 500
    assert known.onnx_of(small) == timed[0][0]
    assert known.onnx_of(big) == timed[0][1]


@pytest.mark.usefixtures("unwritten")
def test_networks_are_compared_with_the_teacher(
    timed: list[list[Path]], small: Network, big: Network, latencies: Callable[[str], Latencies]
) -> None:
    known = latencies("job")
    known.add_teacher(big)
    known.add(small)
    told = known.measured()
    assert told[measure_network(small)]["speedup"] == {"ratio": 2, "low": 2, "high": 2}
    assert told[measure_network(big)]["speedup"] is None


@pytest.mark.usefixtures("unwritten")
def test_a_student_of_the_teachers_kind_is_not_compared(
    timed: list[list[Path]], small: Network, latencies: Callable[[str], Latencies]
) -> None:
    known = latencies("job")
    known.add(small)
    known.add_teacher(build("cifar/resnet8", 3))
    assert known.measured()[measure_network(small)]["speedup"] is None


def test_a_teachers_file_is_written_once_for_all_jobs_and_takes_no_room(
    timed: list[list[Path]], writes: list[str], big: Network, latencies: Callable[[str], Latencies], tmp_path: Path
) -> None:
    for job in ("one", "two"):
        known = latencies(job)
        known.add_teacher(big)
        known.measured()
    assert writes == ["cifar/resnet14"]
    assert len(timed) == 2
    (kept,) = (tmp_path / "cache" / "result-cache").iterdir()
    assert kept.stat().st_size < 0.2 * timed[0][0].stat().st_size
    first, second = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(paths[0]).graph.initializer}
        for paths in timed
    )
    for name, weights in first.items():
        assert second[name].shape == weights.shape
        if weights.nbytes < 4096:
            assert np.array_equal(second[name], weights), "small constants may be bounds or scales"
        else:
            assert not second[name].any()


def test_a_teacher_is_measured_as_it_would_be_deployed_and_stays_as_it_is(
    timed: list[list[Path]], big: Network, latencies: Callable[[str], Latencies]
) -> None:
    before = {name: value.clone() for name, value in big.state_dict().items()}
    known = latencies("job")
    known.add_teacher(big)
    known.measured()
    assert all(torch.equal(value, before[name]) for name, value in big.state_dict().items())
    assert known.onnx_of(big) is None, "what is published is written from the network itself"
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = big.module(images).numpy()
    (logits,) = open_session(timed[0][0]).run(None, {"images": images.numpy()})
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def test_a_network_that_cannot_be_written_has_no_latency(
    small: Network, big: Network, latencies: Callable[[str], Latencies], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(network: Network, path: Path, *, optimized: bool) -> None:
        raise InternalError("no")

    monkeypatch.setattr(module, "write_onnx", fail)
    known = latencies("job")
    known.add(small)
    known.add_teacher(big)
    assert known.measured() == {}
    assert not (tmp_path / "cache").exists()


def test_a_kept_file_without_weights_is_a_network_that_runs(
    small: Network, big: Network, latencies: Callable[[str], Latencies]
) -> None:
    """The real thing, twice: the second job times the file that the first one kept."""
    for job in ("one", "two"):
        known = latencies(job)
        known.add(small)
        known.add_teacher(big)
        told = known.measured()
        assert all(0 < each["p50_ms"] <= each["p95_ms"] < 1000 for each in told.values())
