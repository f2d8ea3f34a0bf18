"""torchvision's classifiers: every family builds, taps and slims down; published weights are torchvision's own."""

import re
from pathlib import Path

import pytest
import torch
from loading import load_weights
from torchvision import models

from core.errors import ArchitectureUnknown, SpecInvalid, TeacherLoadFailed
from core.networks import torchvision_zoo
from core.networks.facts import measure_network
from core.networks.zoo import build, outline
from core.policy import Policy

# One of each family, at a small size where the network takes any.
FAMILIES = {
    "alexnet": 64, "convnext_tiny": 64, "densenet121": 64, "efficientnet_b0": 64, "efficientnet_v2_s": 64,
    "googlenet": 64, "inception_v3": 80, "maxvit_t": 224, "mnasnet0_5": 64, "mobilenet_v2": 64,
    "mobilenet_v3_small": 64, "regnet_y_400mf": 64, "resnet18": 64, "resnext50_32x4d": 64, "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64, "swin_t": 64, "swin_v2_t": 64, "vgg11_bn": 64, "vit_b_32": 64, "wide_resnet50_2": 64,
}  # fmt: skip


def test_the_families_above_are_all_that_torchvision_has() -> None:
    families = {Path(models.get_model_builder(name).__code__.co_filename).stem for name in torchvision_zoo.names()}
    covered = {Path(models.get_model_builder(name).__code__.co_filename).stem for name in FAMILIES}
    assert covered == families


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_builds_for_any_number_of_classes_and_has_taps(name: str) -> None:
    network = outline(f"torchvision/{name}", 7, image_size=FAMILIES[name])
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        images = torch.zeros(2, 3, network.input.size, network.input.size, device=device)
        features = network.features(images, range(len(network.tap_points)))
    assert features.logits.shape == (2, 7)
    assert features.pooled.shape == (2, network.pooled_width)
    shapes = [(2, t.channels, t.height, t.width) for t in network.tap_points]
    assert [tuple(m.shape) for m in features.maps] == shapes
    sides = [t.height for t in network.tap_points]
    assert sides == sorted(set(sides), reverse=True)
    assert len(sides) == (1 if name.startswith("vit") else len(sides))
    assert len(sides) >= 1


TAPS = {
    "resnet18": [("relu", 64, 112), ("layer1", 64, 56), ("layer2", 128, 28), ("layer3", 256, 14), ("layer4", 512, 7)],
    "mobilenet_v2": [("features.1", 16, 112), ("features.3", 24, 56), ("features.6", 32, 28),
                     ("features.13", 96, 14), ("features.18", 1280, 7)],
    "swin_t": [("features.1", 96, 56), ("features.3", 192, 28), ("features.5", 384, 14), ("permute", 768, 7)],
    "densenet121": [("features.relu0", 64, 112), ("features.denseblock1", 256, 56), ("features.denseblock2", 512, 28),
                    ("features.denseblock3", 1024, 14), ("features.norm5", 1024, 7)],
    "squeezenet1_1": [("features.1", 64, 111), ("features.4", 128, 55), ("features.7", 256, 27),
                      ("features.12", 512, 13)],
    "inception_v3": [("Conv2d_2b_3x3", 64, 147), ("Conv2d_4a_3x3", 192, 71), ("Mixed_5d", 288, 35),
                     ("Mixed_6e", 768, 17), ("Mixed_7c", 2048, 8)],
    "vit_b_32": [("encoder", 768, 7)],
}  # fmt: skip


@pytest.mark.parametrize("name", TAPS)
def test_the_taps_are_the_stages_that_the_papers_draw(name: str) -> None:
    assert [(t.path, t.channels, t.height) for t in outline(f"torchvision/{name}").tap_points] == TAPS[name]


@pytest.mark.parametrize(
    "name", ["resnet18", "mobilenet_v3_small", "vit_b_32", "swin_t", "efficientnet_b0", "densenet121"]
)
def test_params_and_macs_are_those_that_torchvision_publishes(name: str) -> None:
    network = outline(f"torchvision/{name}")
    meta = torchvision_zoo.best_weights(name).meta
    assert sum(p.numel() for p in network.module.parameters()) == meta["num_params"]
    # torchvision counts a few more operations than products and rounds to a million.
    assert measure_network(network).macs / 1e9 == pytest.approx(meta["_ops"], abs=0.003)


def test_the_input_is_that_of_the_published_weights_or_as_asked_for() -> None:
    form = outline("torchvision/efficientnet_b1").input
    assert (form.size, form.resize_mode) == (240, "bilinear")
    assert form.mean == (0.485, 0.456, 0.406)
    assert outline("torchvision/efficientnet_b0").input.resize_mode == "bicubic"
    assert outline("torchvision/resnet18", 3, image_size=96).input.size == 96


def test_a_size_that_a_network_cannot_take_is_refused_by_name() -> None:
    with pytest.raises(SpecInvalid, match="torchvision/alexnet does not run on 16 x 16 pixels") as caught:
        build("torchvision/alexnet", 5, image_size=16)
    assert caught.value.pointer == "/training/image_size"


def place(cache: Path, name: str, state: dict[str, torch.Tensor]) -> None:
    """Lay a checkpoint where torchvision keeps its download of the best weights."""
    folder = cache / "published" / "torchvision"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / torchvision_zoo.best_weights(name).url.rpartition("/")[2])


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "googlenet"])
def test_downloaded_weights_load_as_torchvision_loads_them(name: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    original = models.get_model(name, weights=None, **({"init_weights": True} if name == "googlenet" else {})).eval()
    state = original.state_dict()
    if name == "densenet121":  # the published file has the names of an older torchvision: denselayer1.norm.1
        state = {re.sub(r"(denselayer\d+\.[a-z]+)(\d)", r"\1.\2", key): value for key, value in state.items()}
    place(tmp_path, name, state)
    network = build(f"torchvision/{name}", image_size=64, pretrained=True, cache=tmp_path).eval()
    images = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    if name == "googlenet":
        original.transform_input = True  # as torchvision sets it for these weights
    with torch.no_grad():
        torch.testing.assert_close(network(images), original((images - mean) / std), rtol=1e-4, atol=1e-5)
    assert network.num_classes == 1000
    slim = build(f"torchvision/{name}", 3, image_size=64, pretrained=True, cache=tmp_path)
    assert slim.classifier.out_features == 3
    first = next(iter(network.module.state_dict()))
    assert torch.equal(slim.module.state_dict()[first], network.module.state_dict()[first])


def test_weights_that_cannot_be_downloaded_are_named() -> None:
    """download.pytorch.org does not answer from where the tests run; where it does, a wrong hash must be refused."""
    with pytest.raises(TeacherLoadFailed) as caught:
        torchvision_zoo._download("resnet18", _Unreachable.DEFAULT, torchvision_zoo.Published())
    assert "torchvision/resnet18" in caught.value.message
    assert "http://127.0.0.1:9/resnet18-00000000.pth" in caught.value.message


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121", "googlenet"])
def test_a_file_of_torchvision_itself_loads_too(name: str, tmp_path: Path) -> None:
    original = models.get_model(name, num_classes=5, **({"init_weights": True} if name == "googlenet" else {}))
    torch.save(original.state_dict(), tmp_path / "own.pth")
    network = build(f"torchvision/{name}", 5, image_size=64)
    load_weights(network, tmp_path / "own.pth", policy=Policy())
    ours = network.module.state_dict()
    assert all(torch.equal(value, original.state_dict()[key]) for key, value in ours.items())


class _Unreachable(models.WeightsEnum):
    """Weights at a port where nothing listens (9, discard)."""

    DEFAULT = models.Weights(url="http://127.0.0.1:9/resnet18-00000000.pth", transforms=None, meta={})


def test_published_pickles_are_refused_where_the_operator_forbids_pickles(tmp_path: Path) -> None:
    place(tmp_path, "resnet18", models.resnet18().state_dict())
    with pytest.raises(TeacherLoadFailed, match="pickled"):
        build("torchvision/resnet18", pretrained=True, cache=tmp_path, policy=Policy(pickled_weights=False))


@pytest.mark.parametrize(
    ("wrong", "near"), [("resnet19", "torchvision/resnet18"), ("mobilenetv3_small", "mobilenet_v3_small")]
)
def test_a_name_that_torchvision_lacks_is_refused_with_near_misses(wrong: str, near: str) -> None:
    with pytest.raises(ArchitectureUnknown, match=near):
        build(f"torchvision/{wrong}", 3)


def test_detection_and_quantized_networks_are_no_classifiers_here() -> None:
    for name in ("fasterrcnn_resnet50_fpn", "quantized_resnet18", "raft_small"):
        assert not torchvision_zoo.is_known(name)


def test_class_names_are_those_of_imagenet() -> None:
    names = torchvision_zoo.classes("resnet18")
    assert len(names) == 1000
    assert (names[0], names[309], names[310]) == ("tench", "bee", "ant")
