"""Wide ResNets (Zagoruyko & Komodakis 2016): `wrn_<depth>_<width>`, depth = 6n + 4, pre-activation blocks."""

import re
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from core.networks.cifar.resnet import initialize

NAMES = (
    "wrn_10_1",
    "wrn_16_1",
    "wrn_16_2",
    "wrn_16_4",
    "wrn_28_2",
    "wrn_28_4",
    "wrn_28_10",
    "wrn_40_1",
    "wrn_40_2",
    "wrn_40_4",
)


def maker(name: str) -> Callable[[int], nn.Module] | None:
    """The constructor for `name`, or None."""
    match = re.fullmatch(r"wrn_(\d{1,4})_(\d{1,2})", name)
    if not match:
        return None
    depth, width = int(match[1]), int(match[2])
    if depth < 10 or (depth - 4) % 6 or width < 1:
        return None
    return partial(WideResNet, (depth - 4) // 6, width)


class PreactivationBlock(nn.Module):
    """BN-ReLU-conv twice; where the width changes, the shortcut starts after the first activation."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        reshapes = inputs != outputs or stride != 1
        self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if reshapes else None

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H', W') maps."""
        active = F.relu(self.bn1(maps))
        carried = maps if self.convShortcut is None else self.convShortcut(active)
        return carried + self.conv2(F.relu(self.bn2(self.conv1(active))))


class Stage(nn.Module):
    """Blocks in a row, under the name `layer` that the public checkpoints use."""

    def __init__(self, inputs: int, outputs: int, blocks: int, stride: int) -> None:
        super().__init__()
        first = PreactivationBlock(inputs, outputs, stride)
        self.layer = nn.Sequential(first, *(PreactivationBlock(outputs, outputs, 1) for _ in range(blocks - 1)))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H', W') maps."""
        return self.layer(maps)


class WideResNet(nn.Module):
    """N 3 H W -> N K."""

    def __init__(self, blocks: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.block1 = Stage(16, 16 * width, blocks, 1)
        self.block2 = Stage(16 * width, 32 * width, blocks, 2)
        self.block3 = Stage(32 * width, 64 * width, blocks, 2)
        self.bn1 = nn.BatchNorm2d(64 * width)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(64 * width, num_classes)
        initialize(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) pixels -> (N, K) logits."""
        maps = self.block3(self.block2(self.block1(self.conv1(pixels))))
        return self.fc(self.relu(self.bn1(maps)).mean(dim=(2, 3)))
