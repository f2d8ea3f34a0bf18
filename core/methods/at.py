"""Attention transfer (Zagoruyko, Komodakis, ICLR 2017, arXiv 1612.03928), in the form of the common benchmarks.

L = a CE(z_s, y) + b sum_l mean_{i,hw} (q(s_l) - q(t_l))^2,  q(f) = vec(mean_c f^2) / ||vec(mean_c f^2)||

Maps may differ in channels; the larger is average-pooled to the smaller. A tap's value lies in [0, 2 / HW]: the mean
over places makes a tap weigh less the finer it is (the paper adds norms instead).
"""

from torch import Tensor, nn

from core.methods.parts.distances import attention_distance, same_size
from core.methods.parts.feature_method import FeatureMethod
from core.spec.knobs.at import AtKnobs


def at_loss(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Mean squared difference over N, H, W of the unit-length attention of (N, C, H, W) and (N, D, H, W)."""
    return attention_distance(student_map, teacher_map) / student_map[0, 0].numel()


class At(FeatureMethod):
    """Labels, and where the teacher looks."""

    term = "at"
    compares_positions = True
    knobs: AtKnobs

    def distance(self, adapter: nn.Module, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """At the smaller of both sizes."""
        return at_loss(*same_size(student_map, teacher_map))
