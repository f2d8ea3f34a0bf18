"""Fine-tuning: given weights, a fresh head, labels alone. With the teacher's own network it is what users do without
us.
"""

from core.methods.contract import MethodContext
from core.methods.scratch import Scratch
from core.spec.knobs.finetune import FinetuneKnobs


class Finetune(Scratch):
    """L = CE(student, y) from given weights; as a linear probe only the classifier moves."""

    knobs: FinetuneKnobs

    def __init__(self, knobs: FinetuneKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        if knobs.freeze_backbone:
            head = context.student.classifier_path
            for name, parameter in context.student.module.named_parameters():
                parameter.requires_grad_(name.startswith(f"{head}."))

    def set_training_mode(self) -> None:
        """A frozen backbone keeps its batch-norm statistics: eval mode."""
        self.context.student.train(not self.knobs.freeze_backbone)
