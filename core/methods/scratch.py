"""Training from labels alone: the baseline that every distillation has to beat."""

from torch import Tensor

from core.methods.contract import Batch
from core.methods.method import Method
from core.networks.network import Features


class Scratch(Method):
    """L = CE(student, y)."""

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: the cross-entropy."""
        return {"label": self.label_loss(student.logits, batch)}
