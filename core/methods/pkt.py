"""Probabilistic knowledge transfer (Passalis, Tefas, ECCV 2018, arXiv 1803.10837), on pooled features.

L = a CE(z_s, y) + b mean_{ij} p^t_ij log((p^t_ij + e) / (p^s_ij + e)),  p_ij = k_ij / sum_j k_ij,  k = (1 + cos) / 2

The probability that image i picks image j of the batch as its neighbour; e = 1e-7. Networks may differ in width and in
classes. The mean over N x N, of values near 1 / N, explains the size of the weight.
"""

from torch import Tensor

from core.methods.contract import Batch, Needs
from core.methods.method import Method
from core.methods.parts.geometry import inner_products, unit
from core.networks.network import Features
from core.spec.knobs.pkt import PktKnobs

EPS = 1e-7


def pkt_loss(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Divergence of the neighbour probabilities of (N, C) from those of (N, D) features, mean over N x N."""
    student, teacher = _probabilities(student_features), _probabilities(teacher_features)
    return (teacher * ((teacher + EPS) / (student + EPS)).log()).mean()


def _probabilities(features: Tensor) -> Tensor:
    directions = unit(features)
    kernel = (inner_products(directions, directions) + 1) / 2
    return kernel / kernel.sum(dim=1, keepdim=True)


class Pkt(Method):
    """Labels, and who is whose neighbour in the teacher's features."""

    needs = Needs(teacher_pooled=True)
    knobs: PktKnobs

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `pkt`: b times the divergence."""
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "pkt": self.knobs.weight * pkt_loss(student.required_pooled, batch.required_teacher.required_pooled),
        }
