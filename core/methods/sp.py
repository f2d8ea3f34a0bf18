"""Similarity-preserving distillation (Tung, Mori, ICCV 2019, arXiv 1907.09682).

L = a CE(z_s, y) + b sum_l (1/N^2) || G(s_l) - G(t_l) ||_F^2,  G(f) = rows of F F^T at length 1,  F = (N, CHW)

Which images of a batch excite a network alike. Maps may differ in channels and in size.
"""

from torch import Tensor, nn
from torch.nn import functional

from core.methods.parts.feature_method import FeatureMethod
from core.methods.parts.geometry import inner_products, unit
from core.spec.knobs.sp import SpKnobs


def sp_loss(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Mean squared difference of the (N, N) similarities of (N, ...) features; 0 for one image."""
    return functional.mse_loss(_similarities(student_features), _similarities(teacher_features))


def _similarities(features: Tensor) -> Tensor:
    rows = features.flatten(1)
    return unit(inner_products(rows, rows))


class Sp(FeatureMethod):
    """Labels, and which images of a batch the teacher finds similar."""

    term = "sp"
    knobs: SpKnobs

    def distance(self, adapter: nn.Module, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """As the networks gave them."""
        return sp_loss(student_map, teacher_map)
