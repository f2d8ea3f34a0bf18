"""Transformed teacher matching (Zheng, Yang, ICLR 2024, arXiv 2402.11148), read in the authors' code.

With p = softmax(z) and gamma = 1 / T,
L = a CE(z_s, y) + b mean over images i of U_i KL(q_i || p_s,i),   q_i = p_t,i^gamma / U_i,   U_i = sum_k p_t,ik^gamma

The power transform q is the teacher's softmax at temperature T; the student has no temperature. U is in [1, K^(1 -
gamma)] for T >= 1 and largest for the smoothest target. Without `weighted`, U is 1 (TTM). There is no factor T^2. The
gradient in the student's logits is b U_i (p_s,i - q_i) / N. The teacher's logits are restricted to the customer's
classes.
"""

from torch import Tensor
from torch.nn import functional

from core.methods.contract import Batch, Needs
from core.methods.method import Method, select_classes, widen
from core.networks.network import Features
from core.spec.knobs.wttm import WttmKnobs


def wttm_loss(student_logits: Tensor, teacher_logits: Tensor, *, temperature: float, weighted: bool) -> Tensor:
    """Mean over N of U KL(q || p_s) of two (N, K) logits, in float32 at least; without `weighted` of KL(q || p_s)."""
    student = functional.log_softmax(widen(student_logits), dim=1)
    powers = functional.log_softmax(widen(teacher_logits), dim=1) / temperature
    log_sums = powers.logsumexp(dim=1, keepdim=True)
    divergences = functional.kl_div(student, powers - log_sums, reduction="none", log_target=True).sum(dim=1)
    return (log_sums.squeeze(1).exp() * divergences).mean() if weighted else divergences.mean()


class Wttm(Method):
    """Labels, and the teacher's softened labels for a student that is not softened."""

    needs = Needs(teacher_logits=True)
    knobs: WttmKnobs

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `wttm`: b times the weighted divergence."""
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        temperature, weighted = self.knobs.temperature, self.knobs.weighted
        loss = wttm_loss(student.logits, teacher_logits, temperature=temperature, weighted=weighted)
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "wttm": self.knobs.weight * loss,
        }
