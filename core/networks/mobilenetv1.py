"""MobileNet v1 (Howard et al. 2017, arXiv 1704.04861) as TensorFlow publishes it, so that its weights give its logits.

Two things differ from the usual PyTorch versions. At stride 2 the padding is TensorFlow's "same": no pixel on the left
and at the top, one on the right and at the bottom. Batch norm has an epsilon of 1e-3.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

STEM_WIDTH = 32
# Channels at width 1 and stride of every block: table 1 of the paper (its last block has stride 1 in the published
# networks).
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
EPSILON = 1e-3
# The widths that TensorFlow publishes, by the network's name.
WIDTHS = {f"mobilenet_v1_{round(100 * width):03}": width for width in (0.25, 0.5, 0.75, 1.0)}
NAMES = tuple(WIDTHS)


def maker(name: str) -> Callable[[int], nn.Module] | None:
    """The constructor for `name`, or None."""
    return partial(MobileNetV1, WIDTHS[name]) if name in WIDTHS else None


class Layer(nn.Module):
    """A convolution with batch norm and ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.halves = stride == 2
        padding = 0 if self.halves else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=EPSILON)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) maps -> (N, C', H, W) maps, or half as high and wide."""
        if self.halves:
            maps = F.pad(maps, (0, 1, 0, 1))  # left, right, top, bottom
        return F.relu6(self.bn(self.conv(maps)))


class Block(nn.Sequential):
    """A depthwise 3x3 convolution, then a pointwise one."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.add_module("dw", Layer(inputs, inputs, 3, stride, groups=inputs))
        self.add_module("pw", Layer(inputs, outputs, 1))


class MobileNetV1(nn.Module):
    """N 3 H W -> N K."""

    def __init__(self, width: float, num_classes: int) -> None:
        super().__init__()
        inputs = int(STEM_WIDTH * width)
        self.stem = Layer(3, inputs, 3, 2)
        self.blocks = nn.Sequential()
        for channels, stride in BLOCKS:
            outputs = int(channels * width)
            self.blocks.append(Block(inputs, outputs, stride))
            inputs = outputs
        self.fc = nn.Linear(inputs, num_classes)
        _initialize(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) pixels -> (N, K) logits."""
        return self.fc(self.blocks(self.stem(pixels)).mean(dim=(2, 3)))


def _initialize(network: nn.Module) -> None:
    """He et al. 2015; the outputs of a group count, which in a depthwise convolution is one channel."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
