"""ResNets for small images (He et al. 2016, section 4.2): three stages of basic blocks, depth = 6n + 2.

`resnet<depth>` has widths 16-16-32-64, `resnet<depth>x<k>` stem and stages 8k-16k-32k-64k (x4: 32-64-128-256, as the
distillation literature counts). A shortcut that changes shape is a 1x1 convolution with batch norm (option B). Names
that end in `a` take every second pixel and pad with zero channels instead (option A, no parameters).
"""

import re
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

NAMES = (
    *("resnet8", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"),
    *("resnet8x4", "resnet14x4", "resnet20x4", "resnet32x4", "resnet56x4"),
    *("resnet20a", "resnet32a", "resnet44a", "resnet56a", "resnet110a"),
)


def maker(name: str) -> Callable[[int], nn.Module] | None:
    """The constructor for `name`, or None."""
    match = re.fullmatch(r"resnet(\d{1,4})(?:x(\d{1,2})|(a))?", name)
    if not match:
        return None
    depth, widening, option_a = int(match[1]), match[2], match[3]
    if depth < 8 or (depth - 2) % 6 or widening == "0":
        return None
    k = int(widening) if widening else None
    widths = (8 * k, 16 * k, 32 * k, 64 * k) if k else (16, 16, 32, 64)
    return partial(ResNet, (depth - 2) // 6, widths, "pad" if option_a else "projection")


class SubsampleAndPad(nn.Module):
    """Option A: every `stride`-th pixel, zero channels added evenly on both sides."""

    def __init__(self, stride: int, added_channels: int) -> None:
        super().__init__()
        self.stride, self.added_channels = stride, added_channels

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H', W') maps."""
        low = self.added_channels // 2
        return F.pad(maps[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, low, self.added_channels - low))


def _shortcut(inputs: int, outputs: int, stride: int, kind: str) -> nn.Module | None:
    if stride == 1 and inputs == outputs:
        return None
    if kind == "pad":
        return SubsampleAndPad(stride, outputs - inputs)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride, shortcut)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H', W') maps."""
        carried = maps if self.downsample is None else self.downsample(maps)
        inner = F.relu(self.bn1(self.conv1(maps)))
        return F.relu(self.bn2(self.conv2(inner)) + carried)


class ResNet(nn.Module):
    """N 3 H W -> N K."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential

    def __init__(self, blocks: int, widths: tuple[int, int, int, int], shortcut: str, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        for stage, stride in ((1, 1), (2, 2), (3, 2)):
            layers = [BasicBlock(widths[stage - 1], widths[stage], stride, shortcut)]
            layers += [BasicBlock(widths[stage], widths[stage], 1, shortcut) for _ in range(blocks - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.fc = nn.Linear(widths[3], num_classes)
        initialize(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) pixels -> (N, K) logits."""
        maps = self.relu(self.bn1(self.conv1(pixels)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        return self.fc(maps.mean(dim=(2, 3)))


def initialize(network: nn.Module) -> None:
    """He et al. 2015: keep the variance of the gradients through ReLUs."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
