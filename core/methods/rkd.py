"""Relational knowledge distillation (Park et al., CVPR 2019, arXiv 1904.05068), on pooled features.

L = a CE(z_s, y) + b_d mean_{ij} h(d_s - d_t) + b_a mean_{ijk} h(cos_s - cos_t),  h: Huber with threshold 1

d_ij: the distance of images i and j over the mean distance of a pair; cos_ijk: the cosine of the angle at image i
between j and k. Networks may differ in width and in classes. Memory of the angles: N^2 (N + D).
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.methods.contract import Batch, Needs
from core.methods.method import Method, widen
from core.methods.parts.geometry import inner_products, lengths, unit
from core.networks.network import Features
from core.spec.knobs.rkd import RkdKnobs


def distance_loss(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Huber of the relative pairwise distances of (N, C) and (N, D) features, mean over N x N; 0 for one image."""
    return functional.smooth_l1_loss(_relative_distances(student_features), _relative_distances(teacher_features))


def angle_loss(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Huber of the cosines of the angles of all triplets of (N, C) and (N, D) features, mean over N x N x N."""
    return functional.smooth_l1_loss(_cosines(student_features), _cosines(teacher_features))


def _differences(features: Tensor) -> Tensor:
    return widen(features)[None] - widen(features)[:, None]


def _relative_distances(features: Tensor) -> Tensor:
    distances = lengths(_differences(features), dim=2).squeeze(2)
    apart = distances > 0
    mean = distances.sum() / apart.sum().clamp(min=1)
    return distances / torch.where(apart.any(), mean, torch.ones_like(mean))


def _cosines(features: Tensor) -> Tensor:
    directions = unit(_differences(features), dim=2)
    return inner_products(directions, directions)


class Rkd(Method):
    """Labels, and the distances and angles between images in the teacher's features."""

    needs = Needs(teacher_pooled=True)
    knobs: RkdKnobs

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `distance` and `angle`, each with its weight."""
        pooled = student.required_pooled, batch.required_teacher.required_pooled
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "distance": self.knobs.distance_weight * distance_loss(*pooled),
            "angle": self.knobs.angle_weight * angle_loss(*pooled),
        }
