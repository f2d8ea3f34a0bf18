"""A frozen network in its fastest form says what the plain one says."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from core.networks.inference import frozen_copy, in_layout, in_low_precision, in_plain_layout
from core.networks.network import InputFormat, Network
from core.networks.zoo import build


def warmed(network: Any) -> Any:
    """With batch-norm statistics that are not those of an untrained network."""
    draws = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.running_mean, -0.3, 0.3), (module.running_var, 0.5, 2.0)):
                values.copy_(low + (high - low) * torch.rand(values.shape, generator=draws))
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network.eval()


def norms(network: Any) -> Any:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def pixels(network: Any, count: int = 3) -> torch.Tensor:
    size = network.input.size
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    "architecture",
    [
        "cifar/resnet8",
        "cifar/resnet8x4",
        "cifar/wrn_16_2",
        "cifar/vgg8",
        "torchvision/resnet18",
        "torchvision/mobilenet_v3_small",
    ],
)
def test_folding_changes_rounding_alone(architecture: str) -> None:
    network = warmed(build(architecture, 7))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = frozen_copy(network, (0, -1))
    assert norms(folded) < norms(network)
    with torch.no_grad():
        plain, fast = (each.features(pixels(network), (0, -1)) for each in (network, folded))
    for one, other in zip(
        (plain.logits, plain.pooled, *plain.maps), (fast.logits, fast.pooled, *fast.maps), strict=True
    ):
        torch.testing.assert_close(other, one, atol=1e-4 * one.abs().max().item(), rtol=1e-4)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in folded.parameters())


class ReadTwice(nn.Module):
    """A convolution whose output enters a batch norm and is added to it as well: folding would change the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv = nn.Conv2d(4, 4, 3, padding=1, stride=2)
        self.last = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        x = torch.relu(self.norm(x)) + x
        x = torch.relu(self.last(self.conv(x)))
        return self.fc(x.mean(dim=(2, 3)))


def test_a_convolution_that_is_read_elsewhere_keeps_its_norm() -> None:
    plain = InputFormat(8, (0.5,) * 3, (0.25,) * 3)
    network = warmed(Network(ReadTwice(), architecture="test", num_classes=5, input=plain))
    folded = frozen_copy(network)
    assert norms(folded) == 1
    with torch.no_grad():
        torch.testing.assert_close(folded(pixels(network)), network(pixels(network)), atol=1e-5, rtol=1e-5)


def test_a_tapped_convolution_keeps_its_norm() -> None:
    network = warmed(build("cifar/resnet8", 4))
    folded = frozen_copy(network, ("conv1",))
    assert norms(folded) == norms(network) - (norms(frozen_copy(network)) == 0) * (norms(network) - 1)
    with torch.no_grad():
        one, other = (each.features(pixels(network), ("conv1",)).maps[0] for each in (network, folded))
    torch.testing.assert_close(one, other)


def test_low_precision_is_close_and_has_the_same_answers() -> None:
    network = warmed(build("cifar/resnet8x4", 6))
    fast = in_low_precision(in_layout(frozen_copy(network, (-1,))), torch.bfloat16)
    assert fast.module.conv1.weight.dtype == torch.bfloat16
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = fast.features(pixels(network, 16), (-1,))
    with torch.no_grad():
        full = network.features(pixels(network, 16), (-1,))
    distance = (low.maps[0].float() - full.maps[0]).norm() / full.maps[0].norm()
    assert distance < 0.03


def test_the_layout_goes_there_and_back() -> None:
    network = build("cifar/resnet8", 4)
    given = copy.deepcopy(network.state_dict())
    weight = in_layout(network).module.layer1[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    in_plain_layout(network)
    assert all(
        value.is_contiguous() and torch.equal(value, given[name]) for name, value in network.state_dict().items()
    )
