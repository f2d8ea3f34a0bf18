"""Vanilla knowledge distillation (Hinton, Vinyals, Dean 2015, arXiv 1503.02531), on the customer's classes.

L = a CE(z_s, y) + b T^2 KL(p_t^T || p_s^T), the divergence summed over classes, averaged over images. The teacher's
logits are restricted to the customer's classes before the softmax, which renormalizes them (the idea behind CSKD, ACCV
2022). With `standardize`, both sides' logits are standardized image by image before they are softened (Sun et al., CVPR
2024, read in its official code): the student then has to match the teacher's logits up to an offset and a positive
factor of each image, of which two classes leave nothing: there `standardize` is refused. The label term sees the plain
logits.
"""

from torch import Tensor
from torch.nn import functional

from core.methods.contract import Batch, MethodContext, Needs
from core.methods.method import Method, select_classes, widen
from core.methods.parts.logits import filled, refuse_standardizing_two_classes, standardized
from core.networks.network import Features
from core.spec.knobs.kd import KdKnobs

# By `standardize`, (T, b): as in RepDistiller, and as in the code of logit standardization.
AUTO = {False: (4.0, 0.9), True: (2.0, 9.0)}


def kd_loss(student_logits: Tensor, teacher_logits: Tensor, *, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of two (N, K) logits, mean over N; its gradient is T (p_s - p_t) / N.

    Float16 and bfloat16 inputs are computed in float32.
    """
    student = functional.log_softmax(widen(student_logits) / temperature, dim=1)
    teacher = functional.log_softmax(widen(teacher_logits) / temperature, dim=1)
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


class Kd(Method):
    """Labels and the renormalized teacher's soft labels."""

    needs = Needs(teacher_logits=True)
    knobs: KdKnobs

    def __init__(self, knobs: KdKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        if knobs.standardize:
            refuse_standardizing_two_classes(context.num_classes)

    @classmethod
    def resolved(cls, knobs: KdKnobs) -> KdKnobs:
        """With the temperature and the weight that suit the logits."""
        temperature, weight = AUTO[knobs.standardize]
        return filled(knobs, temperature=temperature, weight=weight)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `kd`: b T^2 KL."""
        logits = student.logits, select_classes(batch.required_teacher.logits, self.context.required_classes)
        if self.knobs.standardize:
            logits = standardized(logits[0]), standardized(logits[1])
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "kd": float(self.knobs.weight) * kd_loss(*logits, temperature=float(self.knobs.temperature)),
        }
