"""ShuffleNet v2 (Ma et al. 2018) for small images: a 1x1 stem without stride, then three stages that halve."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from core.networks.cifar.resnet import initialize
from core.networks.cifar.shufflenetv1 import shuffle

STEM_WIDTH = 24
BLOCKS = (3, 7, 3)  # after the one that halves the resolution
# Widths of the three stages and of the last 1x1 convolution: table 5 of the paper; 224 as the public models have it.
WIDTHS = {
    "shufflenetv2_x0_5": (48, 96, 192, 1024),
    "shufflenetv2": (116, 232, 464, 1024),
    "shufflenetv2_x1_5": (176, 352, 704, 1024),
    "shufflenetv2_x2": (224, 488, 976, 2048),
}
NAMES = tuple(WIDTHS)


def maker(name: str) -> Callable[[int], nn.Module] | None:
    """The constructor for `name`, or None."""
    return partial(ShuffleNetV2, WIDTHS[name]) if name in WIDTHS else None


def _pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def _depthwise(channels: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)


class Unit(nn.Module):
    """Half of the channels pass; the other half is convolved; then shuffle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1, self.bn1 = _pointwise(half, half), nn.BatchNorm2d(half)
        self.conv2, self.bn2 = _depthwise(half, 1), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = _pointwise(half, half), nn.BatchNorm2d(half)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H', W') maps."""
        passed, inner = maps.chunk(2, dim=1)
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(inner)))))
        return shuffle(torch.cat([passed, F.relu(self.bn3(self.conv3(inner)))], dim=1), 2)


class HalvingUnit(nn.Module):
    """Both branches see all channels and halve the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.conv1, self.bn1 = _depthwise(inputs, 2), nn.BatchNorm2d(inputs)
        self.conv2, self.bn2 = _pointwise(inputs, half), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = _pointwise(inputs, half), nn.BatchNorm2d(half)
        self.conv4, self.bn4 = _depthwise(half, 2), nn.BatchNorm2d(half)
        self.conv5, self.bn5 = _pointwise(half, half), nn.BatchNorm2d(half)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H', W') maps."""
        left = F.relu(self.bn2(self.conv2(self.bn1(self.conv1(maps)))))
        right = self.bn4(self.conv4(F.relu(self.bn3(self.conv3(maps)))))
        return shuffle(torch.cat([left, F.relu(self.bn5(self.conv5(right)))], dim=1), 2)


class ShuffleNetV2(nn.Module):
    """N 3 H W -> N K."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential

    def __init__(self, widths: tuple[int, int, int, int], num_classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _pointwise(3, STEM_WIDTH), nn.BatchNorm2d(STEM_WIDTH)
        self.relu = nn.ReLU()
        inputs = STEM_WIDTH
        for index, (width, blocks) in enumerate(zip(widths[:3], BLOCKS, strict=True), start=1):
            units = [HalvingUnit(inputs, width), *(Unit(width) for _ in range(blocks))]
            self.add_module(f"layer{index}", nn.Sequential(*units))
            inputs = width
        self.conv2, self.bn2 = _pointwise(inputs, widths[3]), nn.BatchNorm2d(widths[3])
        self.relu2 = nn.ReLU()
        self.linear = nn.Linear(widths[3], num_classes)
        initialize(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) pixels -> (N, K) logits."""
        maps = self.relu(self.bn1(self.conv1(pixels)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        maps = self.relu2(self.bn2(self.conv2(maps)))
        return self.linear(maps.mean(dim=(2, 3)))
