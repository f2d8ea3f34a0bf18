"""Function matching: "A good teacher is patient and consistent" (Beyer et al., CVPR 2022, arXiv 2106.05237).

L = T^2 KL(p_t^T || p_s^T), and nothing else: no label is looked at. What makes the method is around the loss, and this
engine's loop gives it to every method: teacher and student see the same crop, flip and mixup, pixel by pixel. The paper
mixes every batch (training.mixup_alpha: 1, which draws the share uniformly) and trains for very long. Formula and T = 1
as in the authors' code.
"""

from torch import Tensor

from core.methods.contract import Batch, Needs
from core.methods.kd import kd_loss
from core.methods.method import Method, select_classes
from core.networks.network import Features
from core.spec.knobs.patient import PatientKnobs


class Patient(Method):
    """The teacher's function on the customer's classes, without labels."""

    needs = Needs(teacher_logits=True)
    knobs: PatientKnobs

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`matching`: T^2 KL."""
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        return {"matching": kd_loss(student.logits, teacher_logits, temperature=self.knobs.temperature)}
