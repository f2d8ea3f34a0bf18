"""DeiT's distillation through attention (Touvron et al., ICML 2021, arXiv 2012.12877), read in the authors' code.

hard   L = a CE(z_c, y) + b CE(z_d, argmax_k z_t,k)
soft   L = a CE(z_c, y) + b T^2 KL(softmax(z_t / T) || softmax(z_d / T))

The student is a vision transformer with two tokens besides its patches, each with a classifier of its own: z_c (N, K)
are the outputs of the class token's, z_d of the distillation token's. The deployed network gives the mean of both, as
timm's networks of this kind do. The teacher's logits are restricted to the customer's classes.
"""

from torch import Tensor
from torch.nn import functional

from core.errors import SpecInvalid
from core.methods.contract import Batch, MethodContext, Needs
from core.methods.kd import kd_loss
from core.methods.method import Method, select_classes, widen
from core.networks.head import head_outputs
from core.networks.network import Features, Network
from core.spec.knobs.deit import DeitKnobs

SUCH_AS = "timm/deit_tiny_distilled_patch16_224 or timm/levit_128s"
# How timm calls the distillation token's classifier; the class token's is `head`.
DISTILLATION = "head_dist"


def hard_loss(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Cross-entropy of (N, K) logits with the teacher's best class of each image, mean over N."""
    return functional.cross_entropy(widen(student_logits), teacher_logits.argmax(dim=1))


class Deit(Method):
    """Labels for the class token, and the teacher's answers for the distillation token."""

    needs = Needs(teacher_logits=True)
    knobs: DeitKnobs

    def __init__(self, knobs: DeitKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        paths = context.student.classifier_paths
        if sorted(DISTILLATION in path.split(".") for path in paths) != [False, True]:
            detail = f"{context.student.architecture} has no distillation token; method 'deit' needs a student with one"
            raise SpecInvalid([("/student", f"{detail}, such as {SUCH_AS}")])

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE of the class token; `token`: b times the distillation token's loss."""
        label_logits, token_logits = _both(self.context.student, student.required_pooled)
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        if self.knobs.hard:
            loss = hard_loss(token_logits, teacher_logits)
        else:
            loss = kd_loss(token_logits, teacher_logits, temperature=self.knobs.temperature)
        return {
            "label": self.knobs.label_weight * self.label_loss(label_logits, batch),
            "token": self.knobs.weight * loss,
        }


def _both(student: Network, pooled: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) logits of the class token and of the distillation token."""
    outputs = {DISTILLATION in path.split("."): logits for path, logits in head_outputs(student, pooled).items()}
    return outputs[False], outputs[True]
