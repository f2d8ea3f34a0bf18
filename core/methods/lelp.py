"""Learning embedding linear projections for few classes (LELP; Loo et al., 2024, arXiv 2409.20449): our variant.

Few classes say little in soft labels, so each class is split into S pseudo-subclasses that the student learns too. What
is known of the paper (its abstract and reviews; the text itself was not at hand): for each class PCA of the teacher's
final embeddings, taken in the null space of the teacher's output weights; a random rotation that evens out the
directions' variance; subclass probabilities from the projections, sharpened by a temperature of their own; one
cross-entropy over S K classes; no label term in its experiments; the teacher is not retrained. The rest is ours:

q_t[s | k] = softmax over s of v_ks . (h - c_k) / beta,   h (N, D) the teacher's pooled features, c_k their mean over
the training images of class k, v_ks the S first principal directions of that class, rotated, scaled to unit variance.
P_t[k, s] = p_t^T[k] q_t[s | k],   P_s[k, s] = p_s^T[k] softmax over s of (u_ks / T)
L = a CE(z_s, y) + b T^2 KL(P_t || P_s)
  = a CE(z_s, y) + b T^2 [KL(p_t^T || p_s^T) + sum over k of p_t^T[k] KL(q_t[. | k] || q_s[. | k])]

z_s are the student's own K logits and u (N, K, S) those of a linear head on its pooled features that is trained along
and not exported: any S K logits can be written so, and the deployed network stays as it is. With S = 1 this is `kd`.
Where the null space has fewer than S dimensions the directions are taken from the whole space.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import SpecInvalid
from core.methods.contract import Batch, MethodContext, Needs
from core.methods.kd import kd_loss
from core.methods.method import Method, select_classes, widen
from core.networks.network import Features
from core.spec.knobs.lelp import LelpKnobs
from core.system.seeds import generator, seeded

LEAST_VARIANCE = 1e-12


def null_space(weight: Tensor) -> Tensor:
    """The symmetric (D, D) projector onto what (K, D) output weights do not see."""
    _, values, rows = torch.linalg.svd(weight, full_matrices=False)
    seen = rows[values > values.amax() * max(weight.shape) * torch.finfo(weight.dtype).eps]
    return torch.eye(weight.shape[1], dtype=weight.dtype) - seen.T @ seen


def directions_of(embeddings: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """(count, D): the first principal directions of (M, D) embeddings, rotated at random among themselves, so scaled
    that projections have unit variance on average; zeros where all embeddings are equal.
    """
    centred = embeddings - embeddings.mean(dim=0)
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(embeddings))
    first, variance = axes[:, -count:].T, variances[-count:].mean()
    rotation = torch.linalg.qr(torch.randn(count, count, dtype=embeddings.dtype, generator=draws)).Q
    return rotation @ first / variance.sqrt() if variance > LEAST_VARIANCE else torch.zeros_like(first)


def subclass_loss(
    teacher_logits: Tensor, teacher_log_q: Tensor, student_log_q: Tensor, *, temperature: float
) -> Tensor:
    """T^2 sum over k of p_t^T[k] KL(q_t[. | k] || q_s[. | k]), mean over N: (N, K) logits, (N, K, S) logarithms."""
    p = functional.softmax(widen(teacher_logits) / temperature, dim=1)
    within = functional.kl_div(student_log_q, teacher_log_q, reduction="none", log_target=True).sum(dim=2)
    return temperature**2 * (p * within).sum(dim=1).mean()


class Lelp(Method):
    """The teacher's soft labels, with every class split into pseudo-subclasses of its embedding space."""

    needs = Needs(teacher_logits=True, teacher_pooled=True, survey=True)
    knobs: LelpKnobs
    centres: Tensor
    directions: Tensor

    def __init__(self, knobs: LelpKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        width, count = context.required_teacher.pooled_width, knobs.num_subclasses
        if count > width:
            detail = f"is {count}, and the teacher's features have only {width} directions"
            raise SpecInvalid([("/method/num_subclasses", detail)])
        self.register_buffer("centres", torch.zeros(context.num_classes, width))
        self.register_buffer("directions", torch.zeros(context.num_classes, count, width))
        # A generator of its own, so that it changes no other random draw.
        with seeded(0, "lelp head"):
            self.head = nn.Linear(context.student.pooled_width, context.num_classes * count)

    def survey(self, batches: Iterator[Batch]) -> None:
        """Centre and directions of every class; a class of a single image has no directions."""
        seen = [(batch.required_teacher.required_pooled.cpu(), batch.targets.cpu()) for batch in batches]
        embeddings, labels = (torch.cat(parts) for parts in zip(*seen, strict=True))
        draws, unseen = generator(0, "lelp rotations"), self._unseen()
        for k in labels.unique().tolist():
            of_class = embeddings[labels == k].double()
            self.centres[k] = of_class.mean(dim=0)
            self.directions[k] = directions_of(of_class @ unseen, self.knobs.num_subclasses, draws)

    def _unseen(self) -> Tensor:
        weight = self.context.required_teacher.classifier.weight.detach().flatten(1).cpu().double()
        projector = null_space(weight[self.context.required_classes.cpu()])
        has_room = projector.trace() > self.knobs.num_subclasses - 0.5
        return projector if has_room else torch.eye(len(projector), dtype=projector.dtype)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `classes`: b T^2 KL of the classes; `subclasses`: b T^2 KL within them."""
        temperature, weight = self.knobs.temperature, self.knobs.weight
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        student_log_q = self._log_softmax(self.head(student.pooled), temperature)
        teacher_log_q = self._log_softmax(
            self.projections(batch.required_teacher.required_pooled), self.knobs.subclass_temperature
        )
        within = subclass_loss(teacher_logits, teacher_log_q, student_log_q, temperature=temperature)
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "classes": weight * kd_loss(student.logits, teacher_logits, temperature=temperature),
            "subclasses": weight * within,
        }

    def projections(self, pooled: Tensor) -> Tensor:
        """(N, D) features of the teacher -> (N, K S): how far each lies along each direction of each class."""
        with torch.autocast(pooled.device.type, enabled=False):
            along = torch.einsum("nd,ksd->nks", widen(pooled), self.directions)
            return (along - torch.einsum("kd,ksd->ks", self.centres, self.directions)).flatten(1)

    def _log_softmax(self, values: Tensor, temperature: float) -> Tensor:
        values = widen(values).unflatten(1, (self.context.num_classes, self.knobs.num_subclasses))
        return functional.log_softmax(values / temperature, dim=2)
