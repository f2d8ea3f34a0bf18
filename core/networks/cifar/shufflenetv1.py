"""ShuffleNet v1 with three groups (Zhang et al. 2018) for small images: 1x1 stem without stride, widths 240-480-960."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from core.networks.cifar.resnet import initialize

STEM_WIDTH = 24
GROUPS = 3
STAGES = ((240, 4), (480, 8), (960, 4))  # width, blocks: table 1 of the paper at g=3
BOTTLENECK = 4
NAMES = ("shufflenetv1",)


def maker(name: str) -> Callable[[int], nn.Module] | None:
    """The constructor for `name`, or None."""
    return ShuffleNetV1 if name in NAMES else None


def shuffle(maps: torch.Tensor, groups: int) -> torch.Tensor:
    """Channel (g, i) moves to place (i, g), so that the next grouped convolution sees every group."""
    return maps.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class Unit(nn.Module):
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1. With stride 2 the pooled input is concatenated, else added."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        grown = outputs - inputs if stride == 2 else outputs
        middle = grown // BOTTLENECK
        # The paper does not group the first 1x1 of the network: its input has too few channels.
        self.first_groups = 1 if inputs == STEM_WIDTH else GROUPS
        self.conv1 = nn.Conv2d(inputs, middle, 1, groups=self.first_groups, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1, groups=middle, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, grown, 1, groups=GROUPS, bias=False)
        self.bn3 = nn.BatchNorm2d(grown)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H', W') maps."""
        inner = shuffle(F.relu(self.bn1(self.conv1(maps))), self.first_groups)
        # Unlike the paper, the public CIFAR models put a ReLU after the depthwise convolution too.
        inner = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(inner)))))
        if self.stride == 2:
            return F.relu(torch.cat([inner, F.avg_pool2d(maps, 3, 2, 1)], dim=1))
        return F.relu(inner + maps)


class ShuffleNetV1(nn.Module):
    """N 3 H W -> N K."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM_WIDTH, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_WIDTH)
        self.relu = nn.ReLU()
        inputs = STEM_WIDTH
        for index, (width, blocks) in enumerate(STAGES, start=1):
            units = [Unit(inputs, width, 2), *(Unit(width, width, 1) for _ in range(blocks - 1))]
            self.add_module(f"layer{index}", nn.Sequential(*units))
            inputs = width
        self.linear = nn.Linear(inputs, num_classes)
        initialize(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) pixels -> (N, K) logits."""
        maps = self.relu(self.bn1(self.conv1(pixels)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        return self.linear(maps.mean(dim=(2, 3)))
