"""Parameter counts against figures that the literature or arithmetic gives, and one forward of every family."""

import pytest
import torch

from core.networks import cifar
from core.networks.cifar.shufflenetv1 import shuffle
from core.networks.facts import measure_network
from core.networks.zoo import build, outline

# ../shared/methods.md, section 0.3, and the tables of RepDistiller-style papers (K = 100).
PUBLISHED = {
    "resnet32x4": 7_433_860,
    "resnet8x4": 1_233_540,
    "resnet56": 861_620,
    "resnet44": 667_188,
    "resnet32": 472_756,
    "resnet20": 278_324,
    "wrn_40_2": 2_255_156,
    "wrn_16_2": 703_284,
    "wrn_40_1": 569_780,
    "vgg13": 9_462_180,
    "vgg8": 3_965_028,
    "mobilenetv2": 812_836,
    "shufflenetv1": 949_258,
    "shufflenetv2": 1_355_528,
}


def num_params(name: str, num_classes: int = 100) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in cifar.maker(name)(num_classes).parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_has_the_published_number_of_parameters(name: str) -> None:
    assert num_params(name) == PUBLISHED[name]


def resnet_params(depth: int, widths: list[int], num_classes: int, projections: bool) -> int:
    """By arithmetic: 9ab per 3x3 convolution, 2b per batch norm, ab + 2b per projection."""
    total = 27 * widths[0] + 2 * widths[0]
    for inputs, width, first in zip(widths[:3], widths[1:], (False, True, True), strict=True):
        blocks = (depth - 2) // 6
        total += 9 * inputs * width + 9 * width * width * (2 * blocks - 1) + 2 * width * 2 * blocks
        total += inputs * width + 2 * width if projections and (first or inputs != width) else 0
    return total + widths[3] * num_classes + num_classes


@pytest.mark.parametrize("depth", [8, 14, 110])
@pytest.mark.parametrize("suffix", ["", "x2", "x4"])
@pytest.mark.parametrize("num_classes", [2, 10])
def test_a_resnet_has_the_parameters_that_arithmetic_gives(depth: int, suffix: str, num_classes: int) -> None:
    k = int(suffix[1:]) if suffix else 0
    widths = [8 * k, 16 * k, 32 * k, 64 * k] if k else [16, 16, 32, 64]
    assert num_params(f"resnet{depth}{suffix}", num_classes) == resnet_params(depth, widths, num_classes, True)


def test_option_a_shortcuts_have_no_parameters() -> None:
    # 0.27 M and 0.85 M in table 6 of He et al. 2016
    assert num_params("resnet20a", 10) == resnet_params(20, [16, 16, 32, 64], 10, False) == 269_722
    assert num_params("resnet56a", 10) == 853_018


def wrn_params(depth: int, width: int, num_classes: int) -> int:
    blocks, total, inputs = (depth - 4) // 6, 27 * 16, 16
    for outputs in (16 * width, 32 * width, 64 * width):
        total += 2 * inputs + 9 * inputs * outputs + 2 * outputs + 9 * outputs * outputs
        total += inputs * outputs if inputs != outputs else 0
        total += (blocks - 1) * (4 * outputs + 18 * outputs * outputs)
        inputs = outputs
    return total + 2 * inputs + inputs * num_classes + num_classes


@pytest.mark.parametrize(("depth", "width"), [(10, 1), (22, 3), (28, 10), (40, 4)])
def test_a_wide_resnet_of_any_valid_pair_has_the_parameters_that_arithmetic_gives(depth: int, width: int) -> None:
    assert num_params(f"wrn_{depth}_{width}") == wrn_params(depth, width, 100)


@pytest.mark.parametrize(
    "name", ["resnet21", "resnet2", "resnet8x0", "resnet20b", "wrn_17_2", "wrn_16_0", "vgg9", "wrn_16"]
)
def test_an_invalid_depth_or_width_is_no_network(name: str) -> None:
    assert cifar.maker(name) is None


# The deep ones repeat the blocks of the shallow ones.
@pytest.mark.parametrize("name", [n for n in cifar.names() if not n.startswith(("resnet110", "resnet56", "resnet44"))])
def test_every_listed_name_maps_images_to_logits_and_ends_in_the_deepest_map(name: str) -> None:
    network = outline(f"cifar/{name}", 7)
    features = network.features(torch.zeros(2, 3, 32, 32, device="meta"), range(len(network.tap_points)))
    assert features.logits.shape == (2, 7)
    assert [m.shape[1:] for m in features.maps] == [(t.channels, t.height, t.width) for t in network.tap_points]
    sides = [t.height for t in network.tap_points]
    assert sides == sorted(set(sides), reverse=True)
    assert len(sides) >= 3


def test_the_taps_of_a_resnet_are_its_three_stages() -> None:
    taps = build("cifar/resnet8x4", 10).tap_points
    assert [(t.path, t.channels, t.height) for t in taps] == [
        ("layer1", 64, 32),
        ("layer2", 128, 16),
        ("layer3", 256, 8),
    ]


def test_the_first_resnet_stage_computes_what_its_formula_says() -> None:
    """One block by hand with torch's functional calls."""
    torch.manual_seed(0)
    module = build("cifar/resnet8", 5).module.eval()
    f = torch.nn.functional
    maps = torch.randn(2, 16, 32, 32)
    block = module.layer2[0]

    def norm(x: torch.Tensor, bn: torch.nn.BatchNorm2d) -> torch.Tensor:
        return f.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias)

    inner = norm(f.conv2d(maps, block.conv1.weight, stride=2, padding=1), block.bn1).clamp(min=0)
    inner = norm(f.conv2d(inner, block.conv2.weight, padding=1), block.bn2)
    carried = norm(f.conv2d(maps, block.downsample[0].weight, stride=2), block.downsample[1])
    torch.testing.assert_close(block(maps), (inner + carried).clamp(min=0))


def test_option_a_takes_every_second_pixel_and_pads_channels_evenly() -> None:
    shortcut = build("cifar/resnet20a", 10).module.layer2[0].downsample
    maps = torch.randn(1, 16, 4, 4)
    carried = shortcut(maps)
    assert carried.shape == (1, 32, 2, 2)
    assert torch.equal(carried[:, 8:24], maps[:, :, [0, 2]][:, :, :, [0, 2]])
    assert carried[:, :8].abs().sum() == carried[:, 24:].abs().sum() == 0


def test_a_shuffle_interleaves_the_groups() -> None:
    order = shuffle(torch.arange(6.0).view(1, 6, 1, 1), 3).flatten().tolist()
    assert order == [0, 2, 4, 1, 3, 5]


def test_the_macs_of_resnet32x4_are_those_measured_with_torchs_flop_counter() -> None:
    # ../shared/performance.md, section 3: 2,166 MFLOP forward, two a multiply-accumulate; student 354
    assert measure_network(outline("cifar/resnet32x4", 100)).macs == pytest.approx(2_166e6 / 2, rel=1e-3)
    assert measure_network(outline("cifar/resnet8x4", 100)).macs == pytest.approx(354e6 / 2, rel=2e-3)


def test_a_vgg_leaves_out_one_pool_for_small_images_only() -> None:
    assert [t.height for t in build("cifar/vgg8", 4).tap_points] == [32, 16, 8, 4]
    assert [t.height for t in build("cifar/vgg8", 4, image_size=64).tap_points] == [64, 32, 16, 8, 4]
