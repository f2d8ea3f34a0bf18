"""Networks with fewer hidden channels: against the same network with those channels silenced."""

import copy

import pytest
import torch
from torch import nn

from core.errors import ArchitectureUnknown, SpecInvalid
from core.networks import zoo
from core.networks.network import Network
from core.networks.pruned import HiddenLayer, hidden_layers, keep_channels
from core.spec.pruned import split_pruned
from tests.core.tiny import make_network

# MobileNetV2, V3 and V4 (which filters before it expands), EfficientNet and MnasNet, of three libraries.
BLOCKS = {
    "cifar/mobilenetv2": 17,
    "torchvision/mobilenet_v3_small": 10,
    "torchvision/mnasnet0_5": 16,
    "timm/tf_efficientnet_lite0": 15,
    "timm/mobilenetv4_conv_small": 11,
}


def lively(architecture: str) -> Network:
    """A network in eval mode whose batch norms have statistics of all sizes."""
    network = make_network(architecture, image_size=32).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
    return network


def silence(network: Network, layer: HiddenLayer, removed: torch.Tensor) -> None:
    """Let nothing read the removed channels."""
    readers = [network.module.get_submodule(path) for path in (layer.project, *layer.between)]
    for reader in readers:
        if isinstance(reader, nn.Conv2d) and reader.groups == 1 and reader.in_channels == layer.channels:
            with torch.no_grad():
                reader.weight[:, removed] = 0


@pytest.mark.parametrize(("architecture", "count"), BLOCKS.items())
def test_without_channels_it_is_the_network_in_which_nothing_reads_them(architecture: str, count: int) -> None:
    whole = lively(architecture)
    pruned = copy.deepcopy(whole)
    layers = hidden_layers(whole.module)
    assert len(layers) == count
    for layer in layers:
        kept = torch.arange(0, layer.channels, 3)
        silence(whole, layer, torch.tensor([at for at in range(layer.channels) if at % 3]))
        keep_channels(pruned.module, layer, kept)
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(pruned(pixels), whole(pixels), rtol=1e-3, atol=1e-4)
    assert sum(p.numel() for p in pruned.parameters()) < 0.9 * sum(p.numel() for p in whole.parameters())


@pytest.mark.parametrize("architecture", ["cifar/resnet8", "timm/lcnet_050", "tensorflow/mobilenet_v1_025"])
def test_networks_whose_channels_others_may_read_have_no_hidden_layer(architecture: str) -> None:
    assert not hidden_layers(make_network(architecture, image_size=32).module)


def test_the_name_says_the_most_channels_of_a_block() -> None:
    network = zoo.build("cifar/mobilenetv2+pruned100", 7)
    assert network.architecture == "cifar/mobilenetv2+pruned100"
    assert max(layer.channels for layer in hidden_layers(network.module)) == 100
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 7)
    assert zoo.outline("cifar/mobilenetv2+pruned100", 7).num_classes == 7


def test_a_projector_and_two_heads_go_onto_a_pruned_network() -> None:
    assert zoo.build("cifar/mobilenetv2+pruned64+simkd-32x2", 5)(torch.rand(1, 3, 32, 32)).shape == (1, 5)
    assert zoo.is_known("cifar/mobilenetv2+pruned64+dho")


@pytest.mark.parametrize("architecture", ["cifar/resnet8+pruned64", "cifar/mobilenetv2+pruned9999"])
def test_a_name_that_prunes_nothing_is_refused(architecture: str) -> None:
    with pytest.raises(SpecInvalid, match="no block of the network expands to more than"):
        zoo.build(architecture)


@pytest.mark.parametrize("architecture", ["cifar/mobilenetv2+pruned0", "cifar/mobilenetv2+pruned", "cifar/x+pruned64"])
def test_other_names_are_unknown(architecture: str) -> None:
    with pytest.raises(ArchitectureUnknown):
        zoo.build(architecture)


def test_a_name_is_split_at_its_end() -> None:
    assert split_pruned("timm/a.b+pruned640") == ("timm/a.b", 640)
    assert split_pruned("timm/a+pruned64+simkd-32x2") == ("timm/a+pruned64+simkd-32x2", None)
