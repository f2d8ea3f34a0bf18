"""OFA-KD, one for all (Hao et al., NeurIPS 2023): between CNNs, ViTs and MLPs, in the space of the logits.

L = a CE(z_s, y) + w M(z_s, z_t) + w_b sum over stages s of M(e_s(f_s), z_t)
M(z, z_t) = - mean over images of sum over classes k of [(p_t[k] + 1[k = y])^gamma - 1[k = y]] log p[k]
with p = softmax(z / T).
With gamma = 1 M is the cross-entropy of the teacher's soft labels; gamma > 1 raises the label's weight, more so where
the teacher is sure of it. There is no factor T^2.

An exit e_s takes the student's map f_s (N, C, H, W) to K logits, so that nothing of the teacher but its logits is asked
for, whatever its make. Exits are trained along and not exported. Maps of convolutions: separable convolutions of
stride 2 down to the last map's resolution, pooled, then linear. Tokens: patches merged 2 x 2 down to 7 x 7, transformer
blocks, averaged, then linear. A student of one resolution throughout has its stages at the quarters of its blocks. Loss
and defaults as in the authors' code; where they read a class token we average the patches. Of an image with two labels
(mixup, CutMix) M is the mean of both, by their shares.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods.contract import Batch, MethodContext, Needs
from core.methods.method import Method, select_classes, widen
from core.methods.parts.logits import mean_over_labels
from core.networks.network import Features, Network
from core.networks.taps import TapPoint
from core.spec.knobs.ofa import OfaKnobs
from core.system.seeds import seeded

STAGES = 4
MERGED_SIDE = 7


def ofa_losses(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, *, gamma: float, temperature: float
) -> Tensor:
    """M of each image: (N,) of two (N, K) logits and int64 (N,) labels."""
    student = functional.log_softmax(widen(student_logits) / temperature, dim=1)
    teacher = functional.softmax(widen(teacher_logits) / temperature, dim=1)
    is_label = functional.one_hot(labels, student.shape[1])
    return -(((teacher + is_label) ** gamma - is_label) * student).sum(dim=1)


def stage_points(student: Network) -> list[TapPoint]:
    """Where the exits are: one tap for each resolution; of a network with a single one, its blocks' quarters."""
    if len(student.tap_points) > 1:
        return list(student.tap_points)
    last = student.tap_points[-1]
    blocks = _blocks(student, last)
    ends = dict.fromkeys(math.ceil(len(blocks) * quarter / STAGES) - 1 for quarter in range(1, STAGES + 1))
    return [blocks[end] for end in ends] if blocks else [last]


def _blocks(student: Network, last: TapPoint) -> list[TapPoint]:
    """The outermost sequence of modules whose outputs are maps like the last one; of several, the longest."""
    sequences: dict[str, list[TapPoint]] = {}
    for path, point in student.points.items():
        parent = path.rpartition(".")[0]
        alike = (point.channels, point.height, point.layout) == (last.channels, last.height, last.layout)
        if alike and isinstance(student.module.get_submodule(parent), nn.Sequential | nn.ModuleList):
            sequences.setdefault(parent, []).append(point)
    return min(sequences.values(), key=lambda points: (points[0].path.count("."), -len(points)), default=[])


class Ofa(Method):
    """Labels, and the teacher's logits at the end of the student and at exits along it."""

    needs = Needs(teacher_logits=True)
    knobs: OfaKnobs

    def __init__(self, knobs: OfaKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        student = context.student
        points = [student.tap(path) for path in knobs.taps] if knobs.taps != "all" else stage_points(student)
        self.needs = Needs(
            teacher_logits=True,
            student_taps=tuple(point.path for point in points),
        )
        # A generator of their own, so that exits change no other random draw.
        with seeded(0, "ofa exits"):
            self.exits = nn.ModuleList(_exit(point, points[place:], context) for place, point in enumerate(points))

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `final`: w M of the student's logits; `exits`: w_b times the sum of M over the exits."""
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        early = [
            self._matching(leave(feature_map), teacher_logits, batch)
            for leave, feature_map in zip(self.exits, student.maps, strict=True)
        ]
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "final": self.knobs.weight * self._matching(student.logits, teacher_logits, batch),
            "exits": self.knobs.exit_weight * torch.stack(early).sum(),
        }

    def _matching(self, logits: Tensor, teacher_logits: Tensor, batch: Batch) -> Tensor:
        knobs = {"gamma": self.knobs.gamma, "temperature": self.knobs.temperature}
        return mean_over_labels(batch.targets, lambda labels: ofa_losses(logits, teacher_logits, labels, **knobs))


def _exit(point: TapPoint, from_here: list[TapPoint], context: MethodContext) -> nn.Module:
    if point.layout == "nchw":
        width = max(context.student.pooled_width, context.required_teacher.pooled_width)
        halvings = max(round(math.log2(point.height / from_here[-1].height)), 0)
        return convolutional_exit(point.channels, halvings, width, context.num_classes)
    depth = max(len(from_here) - 1, 1)
    return token_exit(point.channels, point.height, depth, context.student.pooled_width, context.num_classes)


def convolutional_exit(channels: int, halvings: int, width: int, num_classes: int) -> nn.Sequential:
    """(N, channels, H, W) -> (N, num_classes): separable convolutions, each halving H and W, the last to `width`."""
    widths = [channels * 2**step for step in range(halvings)] + [width]
    down = [_separable(first, second) for first, second in pairwise(widths)]
    layers: list[nn.Module] = [*down] or [nn.Conv2d(channels, width, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


def _separable(channels: int, out: int) -> nn.Sequential:
    """Two depthwise 3x3 convolutions with pointwise ones, the first of stride 2."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False),
        nn.Conv2d(channels, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )


def token_exit(channels: int, side: int, depth: int, width: int, num_classes: int) -> nn.Sequential:
    """(N, channels, side, side) -> (N, num_classes): patches merged to at most 7 x 7 where the side is even, `depth`
    transformer blocks, their mean.
    """
    merges: list[nn.Module] = []
    while side > MERGED_SIDE and side % 2 == 0:
        is_last = side // 2 <= MERGED_SIDE or side // 2 % 2 == 1
        # The authors' exits have a GELU behind every merge but the last; behind the first in any case.
        activation = [nn.GELU()] if not merges or not is_last else []
        merges += [nn.PixelUnshuffle(2), _Tokenwise(4 * channels, width), *activation]
        channels, side = width, side // 2
    layers = merges if channels == width else [_Tokenwise(channels, width)]
    return nn.Sequential(*layers, _Blocks(width, depth), nn.Linear(width, num_classes))


class _Tokenwise(nn.Module):
    """(N, C, H, W) -> (N, D, H, W): at every place a layer norm and a linear map."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width, bias=False))

    def forward(self, feature_map: Tensor) -> Tensor:
        tokens: Tensor = self.layers(feature_map.movedim(1, -1))
        return tokens.movedim(-1, 1)


class _Blocks(nn.Module):
    """(N, D, H, W) -> (N, D): transformer blocks over the places, then their mean."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        heads = math.gcd(width, 4)
        layer: dict[str, Any] = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        self.blocks = nn.Sequential(
            *(nn.TransformerEncoderLayer(width, heads, 4 * width, **layer) for _ in range(depth))
        )

    def forward(self, feature_map: Tensor) -> Tensor:
        tokens: Tensor = self.blocks(feature_map.flatten(2).transpose(1, 2))
        return tokens.mean(dim=1)
