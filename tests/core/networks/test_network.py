"""The wrapper: one face for every network, and the wrapped module untouched."""

import copy

import pytest
import torch
from torch.nn import functional as F

from core.errors import ArchitectureUnknown, SpecInvalid
from core.networks.network import InputFormat, Network
from core.networks.zoo import build

NAMES = ["cifar/resnet8", "torchvision/squeezenet1_1", "timm/resnet10t", "timm/test_vit", "timm/test_mambaout"]


@pytest.fixture(params=NAMES)
def network(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(1)
    return build(request.param, 6, image_size=160 if "test_" in request.param else 64)


def pixels(n: int = 2, size: int = 64) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_features_are_those_of_the_same_forward(network: Network) -> None:
    network.eval()
    taps = range(len(network.tap_points))
    features = network.features(pixels(), taps)
    torch.testing.assert_close(features.logits, network(pixels()))
    assert features.logits.shape == (2, 6)
    assert features.pooled.shape == (2, network.pooled_width)
    assert [m.shape for m in features.maps] == [(2, t.channels, t.height, t.width) for t in network.tap_points]


@pytest.mark.parametrize(
    "name", ["cifar/wrn_10_1", "timm/test_vit", "timm/test_convnext", "torchvision/mobilenet_v3_small"]
)
def test_pooled_features_through_the_classifier_are_the_logits(name: str) -> None:
    network = build(name, 6, image_size=160 if "test_" in name else 64)  # in training mode, dropout on
    features = network.features(pixels())
    torch.testing.assert_close(network.classifier(features.pooled), features.logits)


def test_the_last_map_averaged_is_what_a_resnet_pools() -> None:
    network = build("cifar/resnet8", 3)
    features = network.features(pixels(size=32), [-1])
    torch.testing.assert_close(features.maps[0].mean(dim=(2, 3)), features.pooled)


def test_token_maps_leave_out_the_class_token_and_keep_rows_and_columns() -> None:
    network = build("timm/test_vit", 4, image_size=160).eval()
    kept = {}
    network.module.norm.register_forward_hook(lambda _, i, output: kept.update(tokens=output))
    point = network.tap_points[-1]
    tokens_map = network.features(pixels(), [-1]).maps[0]
    side = point.height
    assert kept["tokens"].shape[1] == side * side + point.prefix
    for row, column in [(0, 0), (0, 3), (2, 5), (side - 1, side - 1)]:
        assert torch.equal(tokens_map[:, :, row, column], kept["tokens"][:, point.prefix + row * side + column])


def test_maps_with_channels_last_are_turned() -> None:
    network = build("timm/test_mambaout", 4, image_size=160).eval()
    assert network.tap_points[-1].layout == "nhwc"
    kept = {}
    network.module.get_submodule(network.tap_points[-1].path).register_forward_hook(lambda _, i, o: kept.update(o=o))
    features = network.features(pixels(), [-1])
    assert torch.equal(features.maps[0], kept["o"].permute(0, 3, 1, 2))


def test_taps_are_named_by_place_or_by_path_in_the_order_asked_for() -> None:
    network = build("cifar/resnet14", 3).eval()
    features = network.features(pixels(size=32), [-1, "layer1.0", 0, "conv1"])
    assert [tuple(m.shape[1:]) for m in features.maps] == [(64, 8, 8), (16, 32, 32), (16, 32, 32), (16, 32, 32)]
    torch.testing.assert_close(features.maps[1], network.module.layer1[0](F.relu(network.module.bn1(features.maps[3]))))


@pytest.mark.parametrize(("tap", "told"), [(3, "3 taps"), (-4, "3 taps"), ("layer9", "'layer1'"), ("fc", "fc")])
def test_a_tap_that_does_not_exist_is_refused_with_what_does(tap: int | str, told: str) -> None:
    with pytest.raises(SpecInvalid, match=told):
        build("cifar/resnet8", 3).features(pixels(size=32), [tap])


def test_making_a_network_leaves_no_trace(network: Network) -> None:
    module = network.module
    for part in list(module.modules())[::2]:
        part.training = False  # a mixed state, as frozen batch norms make
    modes = [part.training for part in module.modules()]
    before = {key: value.clone() for key, value in module.state_dict().items()}
    random = torch.random.get_rng_state()
    again = Network(module, architecture=network.architecture, num_classes=6, input=network.input)
    assert again.tap_points == network.tap_points
    assert torch.equal(random, torch.random.get_rng_state())
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(not part._forward_hooks and not part._forward_pre_hooks for part in module.modules())


def test_hooks_are_gone_after_features_even_when_the_forward_fails() -> None:
    network = build("cifar/resnet8", 3)
    with pytest.raises(RuntimeError):
        network.features(torch.rand(1, 5, 32, 32), [0])
    network.features(pixels(size=32), [0, 1])
    assert all(not part._forward_hooks and not part._forward_pre_hooks for part in network.modules())


def test_only_the_module_is_in_the_state_and_under_its_own_names() -> None:
    network = build("torchvision/resnet18", 1000, image_size=64)
    from torchvision.models import resnet18

    assert list(network.module.state_dict()) == list(resnet18().state_dict())
    assert {key.partition(".")[0] for key in network.state_dict()} == {"module"}
    resnet18().load_state_dict(network.module.state_dict())


def test_pixels_are_normalized_and_resized_as_the_network_wants_them() -> None:
    network = build("cifar/resnet8", 3)
    small = pixels(size=32)
    mean, std = torch.tensor(network.input.mean), torch.tensor(network.input.std)
    torch.testing.assert_close(network.prepare(small)[1, 2], (small[1, 2] - mean[2]) / std[2])
    assert network.prepare(pixels(size=48)).shape == (2, 3, 32, 32)
    torch.testing.assert_close(network(small), network.module(network.prepare(small)), msg="train mode, same batch")


def test_a_copy_is_a_network_of_its_own() -> None:
    network = build("cifar/resnet8", 3).eval()
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.classifier.weight.zero_()
        twin.classifier.bias.zero_()
    assert twin.features(pixels(size=32)).logits.abs().sum() == 0
    assert network(pixels(size=32)).abs().sum() > 0


def test_features_work_without_gradient_under_autocast_and_carry_gradient_otherwise() -> None:
    network = build("cifar/resnet8", 3)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        features = network.features(pixels(size=32), [0, -1])
    assert features.logits.dtype == torch.bfloat16
    assert not features.maps[0].requires_grad
    network.features(pixels(size=32), [-1]).maps[0].sum().backward()
    assert network.module.conv1.weight.grad.abs().sum() > 0


def test_features_in_training_mode_teach_batch_norm_once() -> None:
    network = build("cifar/resnet8", 3).train()
    network.features(pixels(size=32), [0, -1])
    assert network.module.bn1.num_batches_tracked == 1


def test_what_is_no_classifier_is_refused() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    form = InputFormat(8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    with pytest.raises(ArchitectureUnknown, match=r"\(1, 8, 6, 6\).*expected\s+\(1, 8\)"):
        Network(module, architecture="x/y", num_classes=8, input=form)
