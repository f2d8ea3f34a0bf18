"""Distillation via knowledge review (Chen et al., CVPR 2021, arXiv 2104.09044).

L = a CE(z_s, y) + b ramp sum_l HCL(A_l(s_l, carried), sg[t_l]),  ramp = min(progress / warm-up, 1)

Levels l from the pooled features to the shallowest tap: A_l fuses the student's map with what the deeper level carried
on (blown up to its size), weighing both by a learned attention, and gives a map with the teacher's channels. HCL is the
mean squared difference at full size and pooled to 4, 2 and 1 (those smaller than the map), weighed 1, 1/2, 1/4, 1/8
over the sum of these weights.

Our variant: the teacher's maps after the last activation of a stage (the authors' before it, which networks of other
makes do not offer), and where sizes differ the larger is pooled.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods.contract import Batch, MethodContext, TrainingProgress
from core.methods.method import widen
from core.methods.parts.distances import mse_distance, same_size
from core.methods.parts.feature_method import FeatureMethod
from core.methods.parts.logits import warmed
from core.methods.parts.norm import BatchNorm
from core.networks.network import Features
from core.networks.taps import TapPoint
from core.spec.knobs.reviewkd import ReviewkdKnobs
from core.system.seeds import seeded

WIDEST_INSIDE = 512  # channels that are carried from level to level, of the authors' code


def hierarchical_distance(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """HCL of two (N, D, H, W): the weighted mean of squared differences at falling resolutions."""
    student_map, teacher_map = widen(student_map), widen(teacher_map)
    total, weight, weights = mse_distance(student_map, teacher_map), 1.0, 1.0
    for side in (4, 2, 1):
        if side < min(student_map.shape[2:]):
            weight /= 2
            weights += weight
            pooled = (functional.adaptive_avg_pool2d(each, side) for each in (student_map, teacher_map))
            total = total + weight * mse_distance(*pooled)
    return total / weights


class Fusion(nn.Module):
    """A level: (N, C, H, W), and what the deeper level carried on, (N, M, H', W') -> (N, D, H, W), (N, M, H, W)."""

    def __init__(self, student_channels: int, inside: int, teacher_channels: int, *, deepest: bool = False) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(student_channels, inside, 1, bias=False), BatchNorm(inside))
        self.attention = None if deepest else nn.Sequential(nn.Conv2d(2 * inside, 2, 1), nn.Sigmoid())
        self.leave = nn.Sequential(
            nn.Conv2d(inside, teacher_channels, 3, padding=1, bias=False), BatchNorm(teacher_channels)
        )
        for convolution in (self.enter[0], self.leave[0]):
            nn.init.kaiming_uniform_(convolution.get_parameter("weight"), a=1)

    def forward(self, student_map: Tensor, carried: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The map for the teacher, and what is carried on to the next shallower level."""
        own = self.enter(student_map)
        if self.attention is not None and carried is not None:
            carried = functional.interpolate(carried, own.shape[2:], mode="nearest")
            shares = self.attention(torch.cat([own, carried], dim=1))
            own = own * shares[:, :1] + carried * shares[:, 1:]
        return self.leave(own), own


class Reviewkd(FeatureMethod):
    """Labels, and the teacher's maps from the student's maps and all deeper ones."""

    term = "reviewkd"
    knobs: ReviewkdKnobs

    def __init__(self, knobs: ReviewkdKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.needs = replace(self.needs, teacher_pooled=True)
        widths = context.student.pooled_width, self._inside, context.required_teacher.pooled_width
        with seeded(0, "reviewkd pooled adapter"):
            self.deepest = Fusion(*widths, deepest=True)
        self.ramp = 1.0

    @property
    def _inside(self) -> int:
        return min(WIDEST_INSIDE, self.context.student.pooled_width)

    def adapter(self, student: TapPoint, teacher: TapPoint) -> nn.Module:
        """The fusion of a level above the pooled features."""
        return Fusion(student.channels, self._inside, teacher.channels)

    def begin_step(self, progress: TrainingProgress) -> None:
        """Raise the term's weight over the first part of the training."""
        self.ramp = warmed(progress.fraction, self.knobs.warmup)

    def distances(self, student: Features, batch: Batch) -> Tensor:
        """From the pooled features up, the distance of each level; times the warm-up's share."""
        output, carried = self.deepest(student.required_pooled[..., None, None])
        total = hierarchical_distance(output, batch.required_teacher.required_pooled[..., None, None])
        levels = zip(self.adapters, student.maps, batch.required_teacher.maps, strict=True)
        for fusion, student_map, teacher_map in reversed(list(levels)):
            output, carried = fusion(student_map, carried)
            total = total + hierarchical_distance(*same_size(output, teacher_map))
        return self.ramp * total
