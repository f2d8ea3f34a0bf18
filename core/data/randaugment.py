"""RandAugment (Cubuk et al. 2020) on batches of floats: each image gets two operations, each of a random strength.

The operations are those of the paper; strengths are drawn uniformly up to the paper's level 9 of 10. Each operation
runs once on the images that drew it, never image by image. Turned-in corners are grey, as timm fills them. `cutout`
(DeVries and Taylor 2017) covers a square of each image with grey, as the strong views of FixMatch and of method mlkd
have it.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from core.system.device import uploaded
from core.system.seeds import on_host

NUM_ROUNDS = 2
LEVEL = 0.9
MAX_ROTATION = math.radians(30)
MAX_SHEAR = 0.3
MAX_SHIFT = 0.45  # of the side
MAX_ENHANCEMENT = 0.9  # brightness, contrast, color, sharpness run from 0.1 to 1.9
MAX_BITS_LOST = 4
FILL = 0.5
MAX_CUTOUT = 0.5  # of the side
# ITU-R 601 luma, as Pillow's "L".
_LUMA = (0.299, 0.587, 0.114)

Strength = torch.Tensor  # N, in [-1, 1]


def rand_augment(views: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Float views N 3 V V in [0, 1], two random operations each; the same shape and range."""
    n = len(views)
    for _ in range(NUM_ROUNDS):
        chosen = (torch.rand(n, generator=on_host(generator)) * len(OPERATIONS)).long()
        draws = torch.rand(n, generator=generator, device=generator.device).to(views.device)
        views = apply(views, chosen, LEVEL * (2 * draws - 1))
    return views


def apply(views: torch.Tensor, chosen: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Each image through the operation with its number (N, int64, on the host) at its strength (N)."""
    out = views.clone()
    sorted_by_operation = uploaded(chosen.argsort(stable=True), views.device)
    counts = torch.bincount(chosen, minlength=len(OPERATIONS)).tolist()
    for mine, operation in zip(sorted_by_operation.split(counts), OPERATIONS.values(), strict=True):
        if len(mine):
            out[mine] = operation(views[mine], strength[mine])
    return out


def identity(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """The images unchanged."""
    return views


def auto_contrast(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Each channel stretched to 0..1; a flat channel stays."""
    low, high = views.amin((2, 3), keepdim=True), views.amax((2, 3), keepdim=True)
    span = high - low
    return torch.where(span > 0, (views - low) / span.clamp(min=1e-12), views)


def equalize(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Each channel's 256 values spread so that each is about as frequent; Pillow's rule, in integers."""
    values = (views * 255).round().clamp(0, 255).long().flatten(2)  # N 3 P
    counts = torch.zeros(*values.shape[:2], 256, dtype=torch.long, device=views.device)
    counts.scatter_add_(2, values, torch.ones_like(values))
    last = counts.gather(2, values.amax(dim=2, keepdim=True))
    step = (values.shape[2] - last) // 255
    below = counts.cumsum(dim=2) - counts
    table = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=views.device))
    return (table.gather(2, values).to(views.dtype) / 255).reshape(views.shape)


def cutout(views: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Grey over a square of up to half the side of each image N 3 V V, around a random pixel, cut at the border."""
    n, _, height, width = views.shape
    side, row, column = torch.rand(3, n, 1, generator=generator, device=generator.device).to(views.device)
    half = MAX_CUTOUT / 2 * side * min(height, width)
    rows = (torch.arange(height, device=views.device) + 0.5 - row * height).abs() < half
    columns = (torch.arange(width, device=views.device) + 0.5 - column * width).abs() < half
    covered = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(covered, torch.full_like(views, FILL), views)


def brightness(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Away from or towards black."""
    return _blend(torch.zeros_like(views), views, strength)


def contrast(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Away from or towards the image's mean grey."""
    return _blend(_grey(views).mean((2, 3), keepdim=True), views, strength)


def color(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Away from or towards its grey version."""
    return _blend(_grey(views), views, strength)


def sharpness(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Away from or towards a 3 x 3 smoothing (Pillow's SMOOTH: 1 1 1, 1 5 1, 1 1 1 over 13); the border stays."""
    smooth = views.clone()
    if min(views.shape[-2:]) > 2:
        smooth[:, :, 1:-1, 1:-1] = (9 * F.avg_pool2d(views, 3, stride=1) + 4 * views[:, :, 1:-1, 1:-1]) / 13
    return _blend(smooth, views, strength)


def posterize(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Up to four of eight bits lost."""
    step = 2 ** _column(strength.abs() * MAX_BITS_LOST).round()
    return torch.floor((views * 255).round() / step) * step / 255


def solarize(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Bright pixels inverted: those above 1 - |strength|."""
    return torch.where(views >= 1 - _column(strength.abs()), 1 - views, views)


def rotate(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Up to 30 degrees either way."""
    angle = strength * MAX_ROTATION
    return _warp(views, angle.cos(), -angle.sin(), 0, angle.sin(), angle.cos(), 0)


def shear_x(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Rows shifted by up to 0.3 of their height above or below the middle."""
    return _warp(views, 1, strength * MAX_SHEAR, 0, 0, 1, 0)


def shear_y(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Columns shifted likewise."""
    return _warp(views, 1, 0, 0, strength * MAX_SHEAR, 1, 0)


def shift_x(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Moved sideways by up to 0.45 of the side."""
    return _warp(views, 1, 0, 2 * MAX_SHIFT * strength, 0, 1, 0)


def shift_y(views: torch.Tensor, strength: Strength) -> torch.Tensor:
    """Moved up or down likewise."""
    return _warp(views, 1, 0, 0, 0, 1, 2 * MAX_SHIFT * strength)


OPERATIONS: dict[str, Callable[[torch.Tensor, Strength], torch.Tensor]] = {
    operation.__name__: operation
    for operation in (
        identity,
        auto_contrast,
        equalize,
        brightness,
        contrast,
        color,
        sharpness,
        posterize,
        solarize,
        rotate,
        shear_x,
        shear_y,
        shift_x,
        shift_y,
    )
}


def _column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def _blend(start: torch.Tensor, views: torch.Tensor, strength: Strength) -> torch.Tensor:
    return (start + (views - start) * (1 + MAX_ENHANCEMENT * _column(strength))).clamp(0, 1)


def _grey(views: torch.Tensor) -> torch.Tensor:
    return sum(share * channel for share, channel in zip(_LUMA, views.split(1, dim=1), strict=True))


def _warp(views: torch.Tensor, *coefficients: torch.Tensor | float) -> torch.Tensor:
    """Where each pixel comes from, as six numbers of an affine map in coordinates -1..1; grey from outside."""
    n = len(views)
    columns = [c if isinstance(c, torch.Tensor) else views.new_full((n,), c) for c in coefficients]
    grid = F.affine_grid(torch.stack(columns, 1).reshape(n, 2, 3), list(views.shape), align_corners=False)
    return F.grid_sample(views - FILL, grid, align_corners=False) + FILL
