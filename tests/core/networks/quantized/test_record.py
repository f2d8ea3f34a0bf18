"""A network that was put into integers once is put into the same integers again, without being traced or calibrated."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn

from core.files.result_cache import ResultCache
from core.networks.inference import frozen_copy, in_layout
from core.networks.quantized import NUM_IMAGES, NotQuantized, features, quantized
from core.networks.quantized.record import NotRecordable, recorded
from core.networks.zoo import build
from core.system.device import computes_in_int8

needs_integers = pytest.mark.skipif(
    not computes_in_int8(torch.device("cpu")), reason="this CPU has no AVX-512 VNNI, which 8-bit teachers need"
)


@pytest.fixture
def views() -> torch.Tensor:
    return torch.rand(NUM_IMAGES, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, views: Any) -> Any:
    """Put a network into integers with result_cache; the number of graphs that were traced."""
    traced = []
    original = features.exported

    def exported(*arguments: Any) -> Any:
        traced.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(features, "exported", exported)

    def run(network: Any, taps: Any = (-1,), views: Any = views, dtype: Any = torch.float32) -> Any:
        with torch.no_grad(), autocast(dtype):
            return quantized(network, taps, views, dtype=dtype, batch_size=8, result_cache=ResultCache(tmp_path))

    run.traced = traced
    return run


def autocast(dtype: Any) -> Any:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def frozen(architecture: Any, seed: int = 0, **fields: Any) -> Any:
    torch.manual_seed(seed)
    return in_layout(frozen_copy(build(architecture, 5, **fields).eval(), (-1,)))


@needs_integers
@pytest.mark.parametrize(
    "architecture", ["cifar/resnet8x4", "cifar/vgg8", "torchvision/resnet18", "torchvision/googlenet"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_second_time_is_bit_for_bit_the_first(architecture: str, dtype: Any, ask: Any, views: Any) -> None:
    network = frozen(architecture, image_size=32)
    with torch.no_grad(), autocast(dtype):
        first, second = (ask(network, dtype=dtype).features(views[:7]) for _ in range(2))
    assert len(ask.traced) == 1
    for one, other in zip((first.logits, *first.maps), (second.logits, *second.maps), strict=True):
        assert torch.equal(one, other)


@needs_integers
def test_other_weights_images_taps_or_floats_are_found_out_by_themselves(ask: Any, views: Any) -> None:
    network = frozen("cifar/resnet8x4")
    ask(network)
    ask(frozen("cifar/resnet8x4", seed=1))
    ask(network, views=views.flip(3))
    ask(network, taps=())
    ask(network, dtype=torch.bfloat16)
    assert len(ask.traced) == 5
    ask(frozen("cifar/resnet8x4"))
    assert len(ask.traced) == 5


@needs_integers
def test_a_refusal_is_remembered(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "TOLERANCE", 0.0)
    network = frozen("cifar/resnet8x4")
    reasons = set()
    for _ in range(2):
        with pytest.raises(NotQuantized, match="logits") as caught:
            ask(network)
        reasons.add(str(caught.value))
    assert len(ask.traced) == 1 and len(reasons) == 1


@needs_integers
def test_what_could_not_be_traced_is_tried_again(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network = frozen("cifar/resnet8x4")

    def fail(*arguments: Any) -> None:
        raise RuntimeError("not enough memory")

    with monkeypatch.context() as patched, pytest.raises(NotQuantized, match="not enough memory"):
        patched.setattr(features, "exported", fail)
        ask(network)
    ask(network)
    assert len(ask.traced) == 1


def test_what_json_does_not_hold_is_named() -> None:
    class Own(nn.Module):
        def forward(self, pixels: Any) -> Any:
            return pixels.to(torch.device("cpu"))

    with pytest.raises(NotRecordable, match="an argument: device"):
        recorded(fx.symbolic_trace(Own()), {}, Own())
    graph = fx.Graph()
    graph.output(graph.get_attr("missing"))
    with pytest.raises(NotRecordable, match="a constant of the graph: missing"):
        recorded(fx.GraphModule({"missing": torch.zeros(1)}, graph), {}, Own())
    graph = fx.Graph()
    graph.output(graph.call_function(torch.relu, (graph.placeholder("pixels"),)))
    with pytest.raises(NotRecordable, match=r"a function: .*relu"):
        recorded(fx.GraphModule({}, graph), {}, Own())
