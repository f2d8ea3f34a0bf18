"""Finding, replacing and slicing the classifier of many makes."""

import pytest
import torch

from core.networks.zoo import build, replace_head, slice_head

HEADS = {
    "cifar/shufflenetv1": ("linear",),
    "torchvision/resnet18": ("fc",),
    "torchvision/squeezenet1_1": ("classifier.1",),
    "torchvision/mobilenet_v3_small": ("classifier.3",),
    "timm/resnet10t": ("fc",),
    "timm/test_vit": ("head",),
    "timm/deit_tiny_distilled_patch16_224": ("head_dist", "head"),
    "timm/test_convnext": ("head.fc",),
    "timm/levit_128s": ("head_dist.linear", "head.linear"),
}


def small(name: str, num_classes: int) -> torch.nn.Module:
    size = {"timm/levit_128s": 224}.get(name, 160 if "/test_" in name else 64)
    return build(name, num_classes, image_size=size)


@pytest.mark.parametrize("name", HEADS)
def test_the_classifier_is_found_replaced_and_drawn_from_the_current_random_state(name: str) -> None:
    network = small(name, 10).eval()
    assert network.classifier_paths == HEADS[name]
    backbone = {k: v for k, v in network.module.state_dict().items() if not k.startswith(HEADS[name])}
    torch.manual_seed(7)
    assert replace_head(network, 4) is network
    size = network.input.size
    assert network(torch.rand(2, 3, size, size)).shape == (2, 4)
    assert network.num_classes == 4
    assert all(torch.equal(network.module.state_dict()[key], value) for key, value in backbone.items())
    first = network.classifier.weight.clone()
    torch.manual_seed(7)
    replace_head(network, 4)
    assert torch.equal(first, network.classifier.weight)
    replace_head(network, 4)
    assert not torch.equal(first, network.classifier.weight)


@pytest.mark.parametrize("name", HEADS)
def test_a_sliced_classifier_gives_the_chosen_logits_in_the_chosen_order(name: str) -> None:
    network = small(name, 10).eval()
    images = torch.rand(2, 3, network.input.size, network.input.size)
    with torch.no_grad():
        all_logits = network(images)
        slice_head(network, [7, 0, 3])
        torch.testing.assert_close(network(images), all_logits[:, [7, 0, 3]])
    assert network.num_classes == 3


@pytest.mark.parametrize("indices", [[10], [-1, 2], []])
def test_a_slice_outside_the_classifier_is_refused(indices: list[int]) -> None:
    with pytest.raises(ValueError, match="10"):
        slice_head(build("cifar/resnet8", 10), indices)


@pytest.mark.parametrize(("name", "num_classes"), [("timm/densenet121", 32), ("torchvision/squeezenet1_1", 256)])
def test_a_layer_that_happens_to_have_as_many_channels_is_no_classifier(name: str, num_classes: int) -> None:
    assert len(build(name, num_classes, image_size=64).classifier_paths) == 1


def test_a_hidden_layer_as_wide_as_the_classes_is_no_classifier() -> None:
    assert build("torchvision/mobilenet_v3_small", 1024, image_size=64).classifier_paths == ("classifier.3",)
