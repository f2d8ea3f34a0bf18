"""A network in 8-bit integers says nearly what the network in floats says, or stays in floats and says why."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.networks.inference import frozen_copy, in_layout
from core.networks.network import InputFormat, Network
from core.networks.quantized import NUM_IMAGES, NotQuantized, quantized
from core.networks.quantized.calibration import Scale, scales
from core.networks.quantized.graph import Observed, exported
from core.networks.quantized.plan import plan
from core.networks.zoo import build
from core.system.device import computes_in_int8

pytestmark = pytest.mark.skipif(
    not computes_in_int8(torch.device("cpu")), reason="this CPU has no AVX-512 VNNI, which 8-bit teachers need"
)


def frozen(architecture: Any, num_classes: int = 7, **fields: Any) -> Any:
    torch.manual_seed(0)
    network = build(architecture, num_classes, **fields)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return in_layout(frozen_copy(network.eval(), (0, -1)))


def images(network: Any, count: Any = NUM_IMAGES, seed: int = 0) -> Any:
    size = network.input.size
    views = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return views.contiguous(memory_format=torch.channels_last)


def of_module(module: Any, size: int = 16) -> Any:
    return Network(
        module.eval(), architecture="mine", num_classes=5, input=InputFormat(size, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    ).requires_grad_(False)


def moved(one: Any, other: Any) -> Any:
    return ((one.float() - other.float()).norm() / one.float().norm()).item()


@pytest.mark.parametrize(
    ("architecture", "share_of_values_alike"),
    [("cifar/resnet20", 0.06), ("cifar/wrn_16_2", 0.08), ("cifar/vgg8", 0.06), ("torchvision/resnet18", 0.06),
     ("torchvision/resnet50", 0.06), ("torchvision/googlenet", 0.06),
     ("tensorflow/mobilenet_v1_050", 0.08)],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_says_nearly_the_same_for_batches_of_any_size(
    architecture: str, share_of_values_alike: float, dtype: Any
) -> None:
    network = frozen(architecture, image_size=32 if "cifar" in architecture else 64)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        made = quantized(network, (0, -1), images(network), dtype=dtype, batch_size=4)
        for count in (1, 4, 7):
            views = images(network, count, seed=1)
            said, meant = made.features(views), network.features(views, (0, -1))
            for one, other in zip(
                (meant.logits, meant.pooled, *meant.maps), (said.logits, said.pooled, *said.maps), strict=True
            ):
                assert one.shape == other.shape
                assert moved(one, other) < share_of_values_alike
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


class Block(nn.Module):
    """Every form that a convolution is taken over in: alone, with ReLU, with a shortcut, with both."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.first = nn.Conv2d(32, 48, 3, padding=1)
        self.second = nn.Conv2d(48, 32, 3, padding=1)
        self.third = nn.Conv2d(32, 32, 3, padding=1)
        self.narrower = nn.Conv2d(32, 64, 1, stride=2)
        self.fourth = nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.fc = nn.Linear(64, 5)

    def forward(self, x: Any) -> Any:
        x = functional.relu(self.stem(x))
        y = functional.relu(self.first(x))
        x = functional.relu(self.second(y) + x)
        x = self.third(x) + x
        x = functional.relu(self.fourth(x) + self.narrower(x))
        return self.fc(x.mean((2, 3)))


def through_integers(values: Any, scale: Any) -> Any:
    return ((values.double() / scale.step).round() + scale.zero).clamp(0, 255).sub(scale.zero) * scale.step


def rounded_weights(convolution: Any) -> Any:
    steps = convolution.weight.double().abs().amax((1, 2, 3), keepdim=True) / 127
    return (convolution.weight.double() / steps).round() * steps


def reference(module: Any, network: Any, views: Any, taken: Any) -> Any:
    """What the integers must give, in float64: every value that enters a convolution or a sum lies on its grid."""

    def grid(name: Any, values: Any) -> Any:
        return through_integers(values, taken[name])

    def convolved(convolution: Any, values: Any) -> Any:
        weights, bias = rounded_weights(convolution), convolution.bias.double()
        return functional.conv2d(values, weights, bias, convolution.stride, convolution.padding)

    x = functional.relu(module.stem(network.prepare(views)))
    x = grid("relu", x)
    y = grid("relu_1", convolved(module.first, x).relu())
    x = grid("relu_2", (convolved(module.second, y) + x).relu())
    x = grid("add_1", convolved(module.third, x) + x)
    narrower = grid("conv2d_4", convolved(module.fourth, x))
    x = (narrower + convolved(module.narrower, x)).relu()
    return functional.linear(x.mean((2, 3)), module.fc.weight.double(), module.fc.bias.double())


def test_every_form_of_convolution_is_what_rounding_by_hand_gives() -> None:
    torch.manual_seed(0)
    module = Block()
    network = of_module(module)
    views = images(network)
    graph = exported(Observed(network, []), views[:2])
    chosen = plan(graph.graph)
    assert {group.conv.name for group in chosen.groups.values()} == {f"conv2d_{place}" for place in range(1, 6)}
    found = {node.name: scale for node, scale in scales(graph, chosen.integers, views[::2]).items()}
    with torch.no_grad():
        said = quantized(network, (), views, dtype=torch.float32, batch_size=8).features(views[:8]).logits
        meant = reference(module, network, views[:8], found)
        plain = network.features(views[:8], ()).logits
    # A value in the middle between two integers may fall to either side; such a step is far below what rounding moves.
    assert moved(meant, said) < 0.2 * moved(plain, said)


def test_a_scale_keeps_zero_and_covers_the_range() -> None:
    for smallest, largest in ((0.0, 3.0), (-1.0, 2.0), (0.5, 2.0), (-3.0, -1.0), (0.0, 0.0)):
        scale = Scale.of(smallest, largest)
        assert 0 <= scale.zero <= 255
        low, high = (0 - scale.zero) * scale.step, (255 - scale.zero) * scale.step
        assert low <= min(smallest, 0) + scale.step
        assert high >= max(largest, 0) - scale.step


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [("torchvision/vit_b_32", "no convolutions that could gain"), ("torchvision/mobilenet_v3_small", "too few")],
)
def test_a_network_that_would_not_gain_stays_in_floats(architecture: str, reason: str) -> None:
    network = build(architecture, 7).eval().requires_grad_(False)
    with pytest.raises(NotQuantized, match=reason):
        quantized(network, (), images(network, 4), dtype=torch.float32, batch_size=4)


def test_a_network_whose_values_do_not_fit_into_integers_stays_in_floats() -> None:
    torch.manual_seed(0)
    module = Block()
    with torch.no_grad():
        # One channel so large that all others vanish between two steps; what follows takes it away again.
        module.first.weight[0] *= 1e4
        module.second.weight[:, 0] *= 1e-4
    network = of_module(module)
    with pytest.raises(NotQuantized, match=r"\d+%.* 10%"):
        quantized(network, (), images(network), dtype=torch.float32, batch_size=4)


def test_a_network_that_cannot_be_followed_stays_in_floats() -> None:
    class Undecided(Block):
        def forward(self, x: Any) -> Any:
            return super().forward(x) if x.sum() > 1e9 else super().forward(-x)

    network = of_module(Undecided())
    with pytest.raises(NotQuantized, match=r"torch\.export"):
        quantized(network, (), images(network), dtype=torch.float32, batch_size=4)


class InPlace(Block):
    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        x.relu_()
        y = functional.relu_(self.first(x))
        y = self.second(y)
        y += x
        x = functional.relu_(y)
        x = self.third(x) + x
        x = functional.relu_(self.fourth(x) + self.narrower(x))
        return self.fc(x.mean((2, 3)))


def test_operations_in_place_are_taken_over_too() -> None:
    torch.manual_seed(0)
    module = Block()
    in_place = InPlace()
    in_place.load_state_dict(module.state_dict())
    views = images(of_module(module))
    with torch.no_grad():
        one, other = (
            quantized(of_module(each), (), views, dtype=torch.float32, batch_size=8).features(views[:8]).logits
            for each in (module, in_place)
        )
    assert torch.equal(one, other)


def test_a_calibrated_network_is_the_same_every_time() -> None:
    network = frozen("cifar/resnet20")
    views = images(network, 8, seed=3)
    with torch.no_grad():
        one, other = (
            quantized(copy.deepcopy(network), (), images(network), dtype=torch.float32, batch_size=8).features(views)
            for _ in range(2)
        )
    assert torch.equal(one.logits, other.logits)


def test_an_ordered_dataset_is_calibrated_with_all_of_it() -> None:
    """Dark images first, bright ones last: a calibration with the first alone would cut the bright ones off."""
    network = frozen("cifar/resnet20")
    dark, bright = 0.05 * images(network, NUM_IMAGES // 2), 1 - 0.05 * images(network, NUM_IMAGES // 2, seed=1)
    made = quantized(network, (), torch.cat([dark, bright]), dtype=torch.float32, batch_size=8)
    with torch.no_grad():
        for views in (dark[:8], bright[:8]):
            assert moved(network.features(views, ()).pooled, made.features(views).pooled) < 0.1
