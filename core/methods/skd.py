"""Network specialization by feature-level knowledge distillation (Liu, Shang, Yao, Kompella, CVPRW 2023,
DOI 10.1109/CVPRW59228.2023.00339). The paper's text was not at hand: this is our variant of what its abstract says.

L = a CE(h(E_s(x)), y) + b sum_l D(A_l(s_l), sg[t_l])

Taps l: student map s_l (N, C_l, H, W), teacher map t_l (N, D_l, H', W'); the larger map is average-pooled to the
smaller.
A_l: 1x1 convolution without bias and batch norm, C_l -> D_l, trained along and not exported. The teacher's logits are
never
used, so its classes may be any. D compares two maps, by `form`: mse, cosine, pkd (all through A_l), attention (no
adapter).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods.method import Batch, Method, Needs, Setting, widen
from core.networks.network import Features, Network
from core.networks.taps import TapPoint
from core.seeds import seeded
from core.spec.knobs.skd import SkdKnobs

# Of mse 1, 10, 30 and 100, the middle was best (docs/specialization.md). No weight tried of cosine (3, 30) and pkd (3)
# clearly beat scratch there, so these and attention stay at the label term's own weight.
AUTO_WEIGHT = {"mse": 20.0, "cosine": 1.0, "pkd": 1.0, "attention": 1.0}


def same_size(student_map: Tensor, teacher_map: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps at the smaller one's height and width; never upsampled, which would invent detail."""
    height = min(student_map.shape[2], teacher_map.shape[2])
    width = min(student_map.shape[3], teacher_map.shape[3])
    return _pooled(student_map, height, width), _pooled(teacher_map, height, width)


def _pooled(feature_map: Tensor, height: int, width: int) -> Tensor:
    return (
        feature_map
        if feature_map.shape[2:] == (height, width)
        else functional.adaptive_avg_pool2d(feature_map, (height, width))
    )


def mse_distance(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Mean squared difference over N, D, H, W (FitNet's form): duplicating channels leaves it unchanged."""
    return functional.mse_loss(widen(student_map), widen(teacher_map))


def cosine_distance(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """1 - cosine of the two D-vectors at each place, mean over N, H, W; in [0, 2]."""
    return 1 - functional.cosine_similarity(widen(student_map), widen(teacher_map), dim=1).mean()


def pkd_distance(student_map: Tensor, teacher_map: Tensor, *, eps: float = 1e-6) -> Tensor:
    """Half the mean squared difference of channels standardized over N, H, W (PKD, Cao et al., NeurIPS 2022)."""
    return functional.mse_loss(_standardized(student_map, eps), _standardized(teacher_map, eps)) / 2


def _standardized(feature_map: Tensor, eps: float) -> Tensor:
    channels = widen(feature_map).transpose(0, 1).flatten(1)
    return (channels - channels.mean(dim=1, keepdim=True)) / (channels.std(dim=1, keepdim=True, correction=0) + eps)


def attention_distance(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Squared distance of the unit-length maps of mean squared activation, mean over N (Zagoruyko, Komodakis, ICLR
    2017).

    In [0, 2]: summed over H and W rather than averaged, so that it does not depend on the resolution.
    """
    return (_attention(student_map) - _attention(teacher_map)).square().sum(dim=1).mean()


def _attention(feature_map: Tensor) -> Tensor:
    return functional.normalize(widen(feature_map).square().mean(dim=1).flatten(1), dim=1)


DISTANCES = {"mse": mse_distance, "cosine": cosine_distance, "pkd": pkd_distance, "attention": attention_distance}


class Skd(Method):
    """Labels, and the teacher's feature maps through 1x1 adapters."""

    source = "Liu et al., CVPRW 2023 (10.1109/CVPRW59228.2023.00339); our variant: the paper's text was not available."
    needs = Needs(teacher="frozen")
    knobs: SkdKnobs

    def __init__(self, knobs: SkdKnobs, setting: Setting) -> None:
        super().__init__(knobs, setting)
        teacher_points = _teacher_points(knobs.taps, setting.teacher)
        student_points = [_nearest(point, setting.teacher, setting.student) for point in teacher_points]
        self.needs = Needs(
            teacher="frozen",
            teacher_taps=tuple(point.path for point in teacher_points),
            student_taps=tuple(point.path for point in student_points),
        )
        self.weight = float(knobs.weight)
        self.adapters = nn.ModuleList()
        if knobs.form != "attention":
            # A generator of their own, so that adapters change no other random draw.
            with seeded(0, "skd adapters"):
                self.adapters.extend(
                    _adapter(s.channels, t.channels) for s, t in zip(student_points, teacher_points, strict=True)
                )

    @classmethod
    def resolved(cls, knobs: SkdKnobs) -> SkdKnobs:
        """With the weight that suits the form."""
        return knobs.model_copy(update={"weight": AUTO_WEIGHT[knobs.form]}) if knobs.weight == "auto" else knobs

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `feature`: b times the summed distances."""
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "feature": self.weight * self.feature_distance(student.maps, batch.teacher.maps),
        }

    def feature_distance(self, student_maps: Sequence[Tensor], teacher_maps: Sequence[Tensor]) -> Tensor:
        """The distance summed over the taps."""
        distance = DISTANCES[self.knobs.form]
        adapters = self.adapters or [nn.Identity()] * len(student_maps)
        total = torch.zeros((), device=student_maps[0].device)
        for adapter, student_map, teacher_map in zip(adapters, student_maps, teacher_maps, strict=True):
            student_map, teacher_map = same_size(student_map, teacher_map)
            total = total + distance(adapter(student_map), teacher_map)
        return total


def _adapter(student_channels: int, teacher_channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(student_channels, teacher_channels, 1, bias=False), nn.BatchNorm2d(teacher_channels))


def _teacher_points(taps: str | tuple[str, ...], teacher: Network) -> list[TapPoint]:
    if taps == "last":
        return [teacher.tap_points[-1]]
    if taps == "all":
        return list(teacher.tap_points)
    return [teacher.tap(path) for path in taps]


def _nearest(point: TapPoint, teacher: Network, student: Network) -> TapPoint:
    """The student's tap for a teacher's: the last for the last, else that whose share of the input size is closest."""
    if point is teacher.tap_points[-1]:
        return student.tap_points[-1]
    share = math.log2(point.height / teacher.input.size)
    return min(student.tap_points, key=lambda candidate: abs(math.log2(candidate.height / student.input.size) - share))
