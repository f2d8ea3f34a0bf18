"""Online subclass knowledge distillation (Tzelepi, Passalis, Tefas, ICPR 2020; Expert Systems with Applications 181,
2021). Only the abstracts were at hand, so the formulas are our variant of the idea: no teacher, no second network and
no memory; a class's latent subclasses are found among the images of the batch.

NN_k(i): the k nearest images of i's class in the batch, by Euclidean distance of the outputs o; never i itself
q_i = sg[mean of o_j over j in NN_k(i)]
L = a CE(z, y) + b (1/N) sum_i D(o_i, q_i)
D = |o_i - q_i|^2 / width        where o (N, width) are the logits, or the pooled features
  = T^2 KL(q_i^T || o_i^T)       between softmaxes of logits (N, K) at temperature T, by form `distribution`

An image that is alone of its class gives exactly 0. A mixed label
counts as its largest share. Batches of few images per class find few neighbours, and those of one micro-batch or one
device alone are seen. Too large a weight draws whole classes together.
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.methods.contract import Batch, MethodContext, TrainingProgress
from core.methods.method import Method, widen
from core.methods.parts.logits import filled
from core.networks.network import Features
from core.spec.knobs.oskd import OskdKnobs

AUTO_WEIGHT = {"logits": 0.1, "pooled": 0.1, "distribution": 1.0}  # chosen by us, not measured


def neighbour_targets(outputs: Tensor, classes: Tensor, *, num_neighbours: int) -> tuple[Tensor, Tensor]:
    """(N, width) means of each row's nearest rows of its class, and (N,) bool: whether it has any; no gradient.

    `classes` is int64 (N,). Fewer neighbours than asked for are all taken; a row without any gets itself.
    """
    outputs = widen(outputs.detach())
    # Exact differences: a distance from squared norms would call near neighbours equal in float32.
    distances = torch.cdist(outputs, outputs, compute_mode="donot_use_mm_for_euclid_dist")
    partners = classes.unsqueeze(0) == classes.unsqueeze(1)
    partners.fill_diagonal_(False)
    near = distances.masked_fill(~partners, torch.inf).topk(min(num_neighbours, len(classes)), largest=False)
    taken = torch.isfinite(near.values).to(outputs.dtype)
    sums = (outputs[near.indices] * taken.unsqueeze(2)).sum(dim=1)
    has_partner = partners.any(dim=1)
    means = sums / taken.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(has_partner.unsqueeze(1), means, outputs), has_partner


def regression_loss(outputs: Tensor, targets: Tensor, has_partner: Tensor) -> Tensor:
    """(1/N) sum |o_i - q_i|^2 / width over the rows of (N, width) that have a neighbour."""
    errors = (widen(outputs) - targets).square().mean(dim=1)
    return (errors * has_partner).mean()


def distribution_loss(outputs: Tensor, targets: Tensor, has_partner: Tensor, *, temperature: float) -> Tensor:
    """(T^2/N) sum KL(q_i^T || o_i^T) over the rows of (N, K) that have a neighbour."""
    own = functional.log_softmax(widen(outputs) / temperature, dim=1)
    other = functional.log_softmax(targets / temperature, dim=1)
    divergences = functional.kl_div(own, other, reduction="none", log_target=True).sum(dim=1)
    return (divergences * has_partner).mean() * temperature**2


class Oskd(Method):
    """Labels, and the mean output of the nearest images of the same class."""

    knobs: OskdKnobs

    def __init__(self, knobs: OskdKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.warmth = 1.0

    @classmethod
    def resolved(cls, knobs: OskdKnobs) -> OskdKnobs:
        """With the weight that suits the form."""
        return filled(knobs, weight=AUTO_WEIGHT[knobs.form])

    def begin_epoch(self, progress: TrainingProgress) -> None:
        """The term grows over the warm-up's epochs: neighbours among random features mean little."""
        self.warmth = min((progress.epoch + 1) / max(self.knobs.warmup_epochs, 1), 1.0)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `subclass`: b times the distance to the neighbours, less during the warm-up."""
        weight = float(self.knobs.weight) * self.warmth
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "subclass": weight * self.subclass_loss(student, batch),
        }

    def subclass_loss(self, student: Features, batch: Batch) -> Tensor:
        """By form."""
        classes = batch.targets.argmax(dim=1) if batch.targets.is_floating_point() else batch.targets
        outputs = student.required_pooled if self.knobs.form == "pooled" else student.logits
        targets, has_partner = neighbour_targets(outputs, classes, num_neighbours=self.knobs.num_neighbours)
        if self.knobs.form == "distribution":
            return distribution_loss(outputs, targets, has_partner, temperature=self.knobs.temperature)
        return regression_loss(outputs, targets, has_partner)
