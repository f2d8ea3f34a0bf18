"""VGG for small images, with batch norm and one linear layer on the pooled map, as the distillation literature has it.

The pool before the last block is left out below 64 pixels, so that 32x32 ends in a 4x4 map.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from core.networks.cifar.resnet import initialize

# Widths, and the convolutions in each of the five blocks (Simonyan & Zisserman 2015, table 1; vgg8: one in each).
WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = {
    "vgg8": (1, 1, 1, 1, 1),
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
NAMES = tuple(DEPTHS)
LARGE_INPUT = 64


def maker(name: str) -> Callable[[int], nn.Module] | None:
    """The constructor for `name`, or None."""
    return partial(Vgg, DEPTHS[name]) if name in DEPTHS else None


def _block(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [
            nn.Conv2d(inputs if index == 0 else outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class Vgg(nn.Module):
    """N 3 H W -> N K."""

    block0: nn.Sequential
    block1: nn.Sequential
    block2: nn.Sequential
    block3: nn.Sequential
    block4: nn.Sequential

    def __init__(self, depths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        inputs = 3
        for index, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True)):
            self.add_module(f"block{index}", _block(inputs, width, depth))
            inputs = width
        self.classifier = nn.Linear(inputs, num_classes)
        initialize(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) pixels -> (N, K) logits."""
        maps = F.max_pool2d(self.block0(pixels), 2)
        maps = F.max_pool2d(self.block1(maps), 2)
        maps = F.max_pool2d(self.block2(maps), 2)
        maps = self.block3(maps)
        if pixels.shape[-1] >= LARGE_INPUT:
            maps = F.max_pool2d(maps, 2)
        return self.classifier(self.block4(maps).mean(dim=(2, 3)))
