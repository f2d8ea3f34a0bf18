"""Training views of a batch of images, on any device. Every random draw comes from one generator.

A batch of uint8 images N 3 S S becomes float32 views N 3 V V in [0, 1]. The draws are made on the generator's device
and moved, and their number depends on the shapes alone: one generator state gives the same views in every run.

Sources: pad-and-crop, He et al. 2016 (4 pixels for 32); random resized crop, Szegedy et al. 2015, with the scale range
narrowed; RandAugment, Cubuk et al. 2020; mixup, Zhang et al. 2018; CutMix, Yun et al. 2019.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from core.data.randaugment import cutout, rand_augment
from core.system.device import uploaded

# Images whose sides are at most this many pixels are small inputs, as CIFAR's are; larger ones are photographs.
SMALL_INPUT = 64
POLICIES = ("none", "crop", "light", "strong", "strong_cutout")
PAD_FRACTION = 8  # of the image's side: 4 pixels for 32
# ImageNet recipes start at 0.08; small customer datasets and short trainings do better when most of the object stays.
MIN_AREA = 0.35
MAX_ASPECT = 4 / 3


class Augmenter:
    """Views by policy: `none` (central crop), `crop`, `light` (crop and flip), `strong` (crop, flip and RandAugment),
    `strong_cutout` (those and Cutout; no job names it, method mlkd asks for it).
    """

    def __init__(self, policy: str, image_size: int) -> None:
        if policy not in POLICIES:
            raise ValueError(f"unknown augmentation {policy!r}; allowed: {', '.join(POLICIES)}")
        self.policy = policy
        self.image_size = image_size

    def train_views(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """float32 N 3 V V in [0, 1] from uint8 N 3 S S: small images with S = V are shifted over a border, of all
        others crops are resized.
        """
        if self.policy == "none":
            return self.test_views(images)
        flips = self.policy != "crop"
        if images.shape[-1] == self.image_size <= SMALL_INPUT:
            views = padded_crop(images, max(1, self.image_size // PAD_FRACTION), generator, flips=flips)
        else:
            views = resized_crop(images, self.image_size, generator, flips=flips)
        if self.policy.startswith("strong"):
            views = rand_augment(views, generator)
        return cutout(views, generator) if self.policy == "strong_cutout" else views

    def test_views(self, images: torch.Tensor) -> torch.Tensor:
        """float32 N 3 V V in [0, 1]: the central V x V."""
        start = (images.shape[-1] - self.image_size) // 2
        stop = start + self.image_size
        return images[:, :, start:stop, start:stop].float() / 255


def uniform(count: int, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """`count` draws from [0, 1), made where the generator lives, on the device of `like`."""
    return torch.rand(count, generator=generator, device=generator.device).to(like.device)


def padded_crop(images: torch.Tensor, pad: int, generator: torch.Generator, *, flips: bool) -> torch.Tensor:
    """float32 N 3 S S: each image shifted by up to `pad` pixels over a black border; half of them mirrored."""
    n, _, size, _ = images.shape
    device = images.device
    top, left = ((uniform(n, images, generator) * (2 * pad + 1)).long() for _ in range(2))
    steps = torch.arange(size, device=device)
    columns = _mirrored(steps.expand(n, size), generator) if flips else steps.expand(n, size)
    rows = (top[:, None] + steps)[:, None, :, None]
    columns = (left[:, None] + columns)[:, None, None, :]
    padded = F.pad(images, (pad, pad, pad, pad))
    image, channel = (
        torch.arange(n, device=device)[:, None, None, None],
        torch.arange(3, device=device)[None, :, None, None],
    )
    return padded[image, channel, rows, columns].float() / 255


def _mirrored(columns: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    flip = uniform(len(columns), columns, generator) < 0.5
    return torch.where(flip[:, None], columns.flip(1), columns)


def resized_crop(images: torch.Tensor, size: int, generator: torch.Generator, *, flips: bool) -> torch.Tensor:
    """float32 N 3 V V: a box of 35-100% of the area and an aspect of 3/4-4/3 from each image, resized bilinearly.

    Sides that would exceed the image are cut to it. The image is at most 8/7 of V, so that a box is shrunk by 1.15 at
    most and needs no antialiasing.
    """
    n = len(images)
    area = MIN_AREA + (1 - MIN_AREA) * uniform(n, images, generator)
    aspect = ((2 * uniform(n, images, generator) - 1) * math.log(MAX_ASPECT)).exp()
    width, height = ((area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1))
    # In grid_sample's coordinates the image spans -1..1, so a box of width w may be centred within 1 - w of the middle.
    x = (2 * uniform(n, images, generator) - 1) * (1 - width)
    y = (2 * uniform(n, images, generator) - 1) * (1 - height)
    if flips:
        width = torch.where(uniform(n, images, generator) < 0.5, -width, width)
    zero = torch.zeros_like(x)
    theta = torch.stack([torch.stack([width, zero, x], 1), torch.stack([zero, height, y], 1)], 1)
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(images.float() / 255, grid, padding_mode="reflection", align_corners=False).clamp(0, 1)


def mix(
    views: torch.Tensor,
    labels: torch.Tensor,
    *,
    num_classes: int,
    mixup_alpha: float,
    cutmix_alpha: float,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Views and targets (float32 N K) mixed with a shuffled copy of the batch: mixup, CutMix, or (both given) one of
    them by a fair coin for the batch. With both alphas 0 the views stay and the targets are one-hot. `generator` lives
    on the CPU: the host has to know what it draws.
    """
    targets = F.one_hot(labels, num_classes).float()
    if mixup_alpha <= 0 and cutmix_alpha <= 0:
        return views, targets
    coin, seed = torch.rand(1, generator=generator).item(), int(torch.randint(2**62, (1,), generator=generator))
    partner = uploaded(torch.randperm(len(views), generator=generator), views.device)
    cuts = cutmix_alpha > 0 and (mixup_alpha <= 0 or coin < 0.5)
    # torch draws no Beta from a given generator, so NumPy does, seeded from it.
    randoms = np.random.default_rng(seed)
    alpha = cutmix_alpha if cuts else mixup_alpha
    share = float(randoms.beta(alpha, alpha))
    if cuts:
        views, share = _cut(views, partner, share, randoms)
    else:
        views = share * views + (1 - share) * views[partner]
    return views, share * targets + (1 - share) * targets[partner]


def _cut(
    views: torch.Tensor, partner: torch.Tensor, share: float, randoms: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """A box of (1 - share) of the area, centred anywhere and cut at the border; the share that truly stayed."""
    height, width = views.shape[-2:]
    side = math.sqrt(1 - share)
    half_h, half_w = int(height * side) // 2, int(width * side) // 2
    y, x = int(randoms.integers(height)), int(randoms.integers(width))
    top, bottom, left, right = max(0, y - half_h), min(height, y + half_h), max(0, x - half_w), min(width, x + half_w)
    mixed = views.clone()
    mixed[:, :, top:bottom, left:right] = views[partner][:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
