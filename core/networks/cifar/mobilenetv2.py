"""MobileNetV2 (Sandler et al. 2018) at half width for small images, as Route Constrained Optimization introduced it
to the distillation literature: expansion 6, four halvings of the resolution (32x32 ends in 2x2)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from core.networks.cifar.resnet import initialize

# Channels at width 1, blocks, stride of the first block: table 2 of the paper, but 24 channels at stride 1.
STAGES = ((16, 1, 1), (24, 2, 1), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
EXPANSION = 6
LAST_WIDTH = 1280
WIDTHS = {"mobilenetv2": 0.5, "mobilenetv2_x1": 1.0}
NAMES = tuple(WIDTHS)


def maker(name: str) -> Callable[[int], nn.Module] | None:
    """The constructor for `name`, or None."""
    return partial(MobileNetV2, WIDTHS[name]) if name in WIDTHS else None


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


class InvertedResidual(nn.Module):
    """Expand, convolve each channel, project without activation; a shortcut where shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers = _convolution(inputs, wide, 1) + _convolution(wide, wide, 3, stride, groups=wide)
        self.conv = nn.Sequential(*layers, *_convolution(wide, outputs, 1)[:2])
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H', W') maps."""
        return maps + self.conv(maps) if self.is_residual else self.conv(maps)


def _stage(inputs: int, outputs: int, blocks: int, stride: int, expansion: int) -> nn.Sequential:
    rest = (InvertedResidual(outputs, outputs, 1, expansion) for _ in range(blocks - 1))
    return nn.Sequential(InvertedResidual(inputs, outputs, stride, expansion), *rest)


class MobileNetV2(nn.Module):
    """N 3 H W -> N K."""

    def __init__(self, width: float, num_classes: int) -> None:
        super().__init__()
        inputs = int(32 * width)
        self.conv1 = nn.Sequential(*_convolution(3, inputs, 3, 2))
        self.blocks = nn.Sequential()
        for index, (channels, blocks, stride) in enumerate(STAGES):
            outputs = int(channels * width)
            self.blocks.append(_stage(inputs, outputs, blocks, stride, 1 if index == 0 else EXPANSION))
            inputs = outputs
        self.conv2 = nn.Sequential(*_convolution(inputs, LAST_WIDTH, 1))
        self.classifier = nn.Sequential(nn.Linear(LAST_WIDTH, num_classes))
        initialize(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) pixels -> (N, K) logits."""
        return self.classifier(self.conv2(self.blocks(self.conv1(pixels))).mean(dim=(2, 3)))
