"""Going on from another map than a network's own, whatever the network's make."""

import pytest
import torch

from core.errors import SpecInvalid
from core.networks.feeding import feeding
from core.networks.network import Network
from core.networks.zoo import build


def network_of(name: str) -> Network:
    torch.manual_seed(2)
    return build(name, 6, image_size=160 if "test_" in name else 64).eval()


def pixels(network: Network, seed: int) -> torch.Tensor:
    size = network.input.size
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["cifar/resnet8", "cifar/wrn_10_1", "timm/test_convnext", "timm/test_mambaout"])
def test_fed_with_another_images_map_a_network_answers_for_that_image(name: str) -> None:
    network = network_of(name)
    images, others = pixels(network, 0), pixels(network, 1)
    with torch.no_grad():
        expected = network.features(others, range(len(network.tap_points)))
        plain = network(images)
        for point, other in zip(network.tap_points, expected.maps, strict=True):
            with feeding(network, point.path, lambda own, other=other: other):
                torch.testing.assert_close(network(images), expected.logits, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(plain, expected.logits, atol=1e-4)
        assert torch.equal(network(images), plain), "a network is as it was afterwards"


def test_a_transformer_keeps_its_class_token() -> None:
    network = network_of("timm/test_vit")
    point, images = network.tap("blocks.2"), pixels(network, 0)
    with torch.no_grad():
        plain = network(images)
        with feeding(network, point.path, lambda own: own):
            torch.testing.assert_close(network(images), plain)
        with feeding(network, point.path, lambda own: own.flip(1)):
            assert not torch.allclose(network(images), plain, atol=1e-3)
        with feeding(network, network.tap_points[-1].path, lambda own: own * 0):
            torch.testing.assert_close(network(images), plain)  # the last blocks' class token alone is classified


def test_gradients_go_to_what_is_fed_and_to_what_follows_alone() -> None:
    network = network_of("cifar/resnet8")
    fed = torch.randn(2, 32, 32, 32, requires_grad=True)
    with feeding(network, "layer2", lambda own: fed):
        network(pixels(network, 0)).sum().backward()
    assert fed.grad.abs().max() > 0
    moved = {name for name, parameter in network.module.named_parameters() if parameter.grad is not None}
    assert moved == {name for name, _ in network.module.named_parameters() if name.startswith(("layer3", "fc"))}


def test_a_hook_does_not_outlive_an_error() -> None:
    def fail(own: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError

    network = network_of("cifar/resnet8")
    with pytest.raises(ZeroDivisionError), feeding(network, "layer1", fail):
        network(pixels(network, 0))
    network(pixels(network, 0))
    with pytest.raises(SpecInvalid, match="unknown tap"), feeding(network, "layer9", lambda own: own):
        pass
