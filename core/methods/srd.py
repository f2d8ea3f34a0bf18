"""A linear projector between normalized features (Miles, Mikolajczyk, "Understanding the Role of the Projector in
Knowledge Distillation", AAAI 2024, arXiv 2303.11098; the "simple recipe", SRD).

L = a CE(z_s, y) + w_f log sum over images n and widths d of |B(A g_s) - B(g_t)|_nd^4 + w_k T^2 KL(p_t^T || p_s^T)
g_s (N, D_s) and g_t (N, D_t) are the pooled features, A a linear map D_s -> D_t that is trained along and not exported
(without offset, which B would take away again), B the standardization of each width over the batch, as a batch norm
without scale and offset does in training. Formula, exponent, w_f = 2, T = 1 and B's epsilon were read in torchdistill,
which keeps a configuration of the paper. The logarithm makes the term negative for small batches that agree; its
gradient does not depend on the sum's scale.
"""

from torch import Tensor, nn

from core.methods.contract import Batch, MethodContext, Needs
from core.methods.kd import kd_loss
from core.methods.method import Method, select_classes, widen
from core.networks.network import Features
from core.spec.knobs.srd import SrdKnobs
from core.system.seeds import seeded

# A batch of one image is all zeros once standardized: log(0) is kept finite.
LEAST = 1e-12


def over_the_batch(features: Tensor, *, eps: float = 1e-4) -> Tensor:
    """(N, D) with mean 0 and variance 1 of each column, as a batch norm without scale and offset gives in training."""
    features = widen(features)
    centred = features - features.mean(dim=0)
    return centred / (centred.square().mean(dim=0) + eps).sqrt()


def feature_loss(projected: Tensor, teacher: Tensor, *, exponent: float) -> Tensor:
    """log of the summed |difference|^exponent of two (N, D) features, each standardized over the batch."""
    difference = over_the_batch(projected) - over_the_batch(teacher)
    return (difference.abs().pow(exponent).sum() + LEAST).log()


class Srd(Method):
    """Labels, the teacher's soft labels, and its pooled features through one linear map."""

    needs = Needs(teacher_logits=True, teacher_pooled=True)
    knobs: SrdKnobs

    def __init__(self, knobs: SrdKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        # A generator of its own, so that it changes no other random draw.
        with seeded(0, "srd projector"):
            self.projector = nn.Linear(context.student.pooled_width, context.required_teacher.pooled_width, bias=False)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `feature`: w_f log distance; `kd`: w_k T^2 KL."""
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        feature = feature_loss(
            self.projector(student.pooled), batch.required_teacher.required_pooled, exponent=self.knobs.exponent
        )
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "feature": self.knobs.feature_weight * feature,
            "kd": self.knobs.weight * kd_loss(student.logits, teacher_logits, temperature=self.knobs.temperature),
        }
