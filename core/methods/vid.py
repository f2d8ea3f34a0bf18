"""Variational information distillation (Ahn et al., CVPR 2019, arXiv 1904.05835).

L = a CE(z_s, y) + b sum_l mean_{n,c,hw} (1/2) ((mu_l(s_l) - t_l)^2 / v_lc + log v_lc),  v = softplus(scale) + 1e-5

A Gaussian's negative log-likelihood of the teacher's map, without its constant: mu_l is three 1x1 convolutions with
ReLU between, v_l one variance a channel, both trained along and not exported. It may be negative; its optimum over v_lc
is the mean squared error of channel c.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods.method import widen
from core.methods.parts.distances import same_size
from core.methods.parts.feature_method import FeatureMethod
from core.networks.taps import TapPoint
from core.spec.knobs.vid import VidKnobs

INITIAL_VARIANCE = 5.0  # of the authors' code
SMALLEST_VARIANCE = 1e-5


def vid_loss(mean: Tensor, variance: Tensor, teacher_map: Tensor) -> Tensor:
    """Mean Gaussian negative log-likelihood of (N, D, H, W), less log(2 pi) / 2; `variance` (D,) is positive."""
    variance = variance.view(1, -1, 1, 1)
    return ((widen(mean) - widen(teacher_map)).square() / variance + variance.log()).mean() / 2


class Guess(nn.Module):
    """What the student's map (N, C, H, W) says of the teacher's: its mean (N, D, H, W) and variance (D,)."""

    def __init__(self, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        widths = (student_channels, teacher_channels, teacher_channels, teacher_channels)
        convolutions = [nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(widths)]
        self.mean = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), convolutions[2])
        start = math.log(math.expm1(INITIAL_VARIANCE - SMALLEST_VARIANCE))
        self.scale = nn.Parameter(torch.full((teacher_channels,), start))

    def forward(self, student_map: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, variance)."""
        return self.mean(student_map), functional.softplus(self.scale) + SMALLEST_VARIANCE


class Vid(FeatureMethod):
    """Labels, and how likely the student makes the teacher's maps."""

    term = "vid"
    knobs: VidKnobs

    def adapter(self, student: TapPoint, teacher: TapPoint) -> nn.Module:
        """The regressor with its variances."""
        return Guess(student.channels, teacher.channels)

    def distance(self, adapter: nn.Module, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """At the smaller of both sizes."""
        student_map, teacher_map = same_size(student_map, teacher_map)
        mean, variance = adapter(student_map)
        return vid_loss(mean, variance, teacher_map)
