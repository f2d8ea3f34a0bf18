"""Weighted soft labels (Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang, ICLR 2021, arXiv 2102.00650), read in the authors'
code.

L = a CE(z_s, y) + b T^2 mean_i w_i CE(p_t,i^T, p_s,i^T)
w_i = 1 - exp(-l_s,i / l_t,i) in [0, 1),   l_i = CE(z_i, y_i) at temperature 1, without gradient

Logits z are (N, K), weights (N). An image that the student has learned better than the teacher hardly takes part in the
soft term. That term is a cross-entropy, as published: its gradient is that of the divergence, its value is not. Mixed
labels, of which the paper says nothing, enter l as rows of shares. The teacher's logits are restricted to the
customer's classes.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from core.methods.contract import Batch, MethodContext, Needs
from core.methods.method import Method, select_classes, widen
from core.networks.network import Features
from core.spec.knobs.wsl import WslKnobs

EPS = 1e-7  # the authors'; a teacher that is wholly sure has l_t = 0


def sample_weights(student_logits: Tensor, teacher_logits: Tensor, targets: Tensor) -> Tensor:
    """(N,) weights in [0, 1) of two (N, K) logits and (N,) classes or (N, K) rows of shares; they carry no gradient."""
    with torch.no_grad():
        student, teacher = widen(student_logits), widen(teacher_logits)
        targets = targets.to(student.dtype) if targets.is_floating_point() else targets
        student_loss = functional.cross_entropy(student, targets, reduction="none")
        teacher_loss = functional.cross_entropy(teacher, targets, reduction="none")
        return -torch.expm1(-student_loss / (teacher_loss + EPS))


def weighted_soft_loss(
    student_logits: Tensor, teacher_logits: Tensor, weights: Tensor, *, temperature: float
) -> Tensor:
    """T^2 mean_i w_i CE(p_t,i^T, p_s,i^T) of (N, K) logits and (N,) weights; its gradient is T w_i (p_s - p_t) / N.

    Float16 and bfloat16 inputs are computed in float32.
    """
    student = functional.log_softmax(widen(student_logits) / temperature, dim=1)
    teacher = functional.softmax(widen(teacher_logits) / temperature, dim=1)
    return -(weights * (teacher * student).sum(dim=1)).mean() * temperature**2


class Wsl(Method):
    """Labels, and the teacher's soft labels weighed image by image."""

    needs = Needs(teacher_logits=True)
    knobs: WslKnobs

    def __init__(self, knobs: WslKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.needs = replace(type(self).needs, teacher_batch_statistics=knobs.teacher_mode == "train")

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `soft`: b times the weighted soft labels."""
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        weights = sample_weights(student.logits, teacher_logits, batch.targets)
        soft = weighted_soft_loss(student.logits, teacher_logits, weights, temperature=self.knobs.temperature)
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "soft": self.knobs.weight * soft,
        }
