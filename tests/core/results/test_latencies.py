"""Each kind of network is measured once a job, a teacher once a machine; the file it was measured with can be had."""

import numpy as np
import pytest
import torch

from core.errors import InternalError
from core.evaluation.latency import open_session
from core.files.result_cache import ResultCache
from core.networks.zoo import build
from core.results import latencies as module
from core.results.latencies import Latencies


@pytest.fixture
def counted(monkeypatch):
    """How often a latency was measured; the measuring itself takes no time."""
    seen = []

    def measure(path):
        seen.append(path)
        return {"p50_ms": float(len(seen))}

    monkeypatch.setattr(module, "measure_latency", measure)
    return seen


@pytest.fixture
def networks():
    return [build(architecture, 3) for architecture in ("cifar/resnet8", "cifar/resnet8", "cifar/resnet14")]


def test_the_same_architecture_is_measured_once(counted, networks, tmp_path):
    known = Latencies(tmp_path, ResultCache(tmp_path / "cache"))
    assert [known.measured(network)["p50_ms"] for network in networks] == [1, 1, 2]
    assert known.measured(build("cifar/resnet8", 4))["p50_ms"] == 3
    assert not (tmp_path / "cache").exists()


def test_the_file_of_the_network_that_was_measured_and_of_no_other(counted, networks, tmp_path):
    first, alike, _ = networks
    known = Latencies(tmp_path, ResultCache(tmp_path / "cache"))
    known.measured(first)
    known.measured(alike)
    assert known.onnx_of(first) == counted[0] and counted[0].stat().st_size > 100_000
    assert known.onnx_of(alike) is None


def test_a_teacher_is_remembered_by_later_jobs(counted, networks, tmp_path):
    for job in ("one", "two"):
        (tmp_path / job).mkdir()
        assert Latencies(tmp_path / job, ResultCache(tmp_path / "cache")).remembered(networks[2]) == {"p50_ms": 1}
    assert len(counted) == 1


def test_a_teacher_is_measured_as_it_would_be_deployed_and_stays_as_it_is(networks, tmp_path, monkeypatch):
    files = []
    monkeypatch.setattr(module, "measure_latency", lambda path: files.append(path) or {"p50_ms": 1.0})
    teacher = networks[2].eval()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    known = Latencies(tmp_path, ResultCache(tmp_path / "cache"))
    known.remembered(teacher)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert known.onnx_of(teacher) is None, "what is published is written from the network itself"
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = teacher.module(images).numpy()
    (logits,) = open_session(files[0]).run(None, {"images": images.numpy()})
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def test_a_network_that_cannot_be_written_has_no_latency(networks, tmp_path, monkeypatch):
    def fail(network, path, *, optimized):
        raise InternalError("no")

    monkeypatch.setattr(module, "write_onnx", fail)
    known = Latencies(tmp_path, ResultCache(tmp_path / "cache"))
    assert known.measured(networks[0]) is None
    assert known.remembered(networks[0]) is None
    assert not (tmp_path / "cache").exists()


def test_the_real_thing_is_milliseconds(tmp_path):
    torch.manual_seed(0)
    latency = Latencies(tmp_path, ResultCache(tmp_path / "cache")).measured(build("cifar/resnet8", 3))
    assert 0 < latency["p50_ms"] <= latency["p95_ms"] < 1000
