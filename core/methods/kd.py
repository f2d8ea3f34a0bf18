"""Vanilla knowledge distillation (Hinton, Vinyals, Dean 2015, arXiv 1503.02531), on the customer's classes.

L = a CE(z_s, y) + b T^2 KL(p_t^T || p_s^T), the divergence summed over classes, averaged over images. The teacher's
logits
are restricted to the customer's classes before the softmax, which renormalizes them (the idea behind CSKD, ACCV 2022).
"""

from torch import Tensor
from torch.nn import functional

from core.methods.method import Batch, Method, Needs, select_classes, widen
from core.networks.network import Features
from core.spec.knobs.kd import KdKnobs


def kd_loss(student_logits: Tensor, teacher_logits: Tensor, *, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of two (N, K) logits, mean over N; its gradient is T (p_s - p_t) / N.

    Float16 and bfloat16 inputs are computed in float32.
    """
    student = functional.log_softmax(widen(student_logits) / temperature, dim=1)
    teacher = functional.log_softmax(widen(teacher_logits) / temperature, dim=1)
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


class Kd(Method):
    """Labels and the renormalized teacher's soft labels."""

    needs = Needs(teacher="frozen", teacher_covers_classes=True, teacher_logits=True)
    source = "Hinton, Vinyals, Dean 2015 (arXiv 1503.02531); formula certain, weights as in RepDistiller."
    knobs: KdKnobs

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `kd`: b T^2 KL."""
        teacher_logits = select_classes(batch.teacher.logits, self.setting.class_indices)
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "kd": self.knobs.weight * kd_loss(student.logits, teacher_logits, temperature=self.knobs.temperature),
        }
