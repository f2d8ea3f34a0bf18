"""Decoupled knowledge distillation (Zhao et al., CVPR 2022).

With p = softmax(z / T), b = (p[y], 1 - p[y]) and p^ the softmax over the classes other than y,
L = a CE(z_s, y) + ramp w T^2 [ alpha KL(b_t || b_s) + beta KL(p^_t || p^_s) ],  ramp = min(progress / warm-up, 1).
The ramp moves with each step; the warm-up is a share of the training (the authors: 20 of 240 epochs). With beta = 1 -
p_t[y] for each image and alpha = 1 this is `kd`. With two classes the second part is 0, which is told as a warning, and
`standardize` is refused: it would leave nothing to learn. All in logarithms, so that 1 - p[y] may vanish. Of an image
with two labels (mixup, CutMix) it is the mean of both, by their shares. Formula, warm-up and defaults as in the
authors' code; with `standardize` as in that of logit standardization.
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.events import JobWarning
from core.methods.contract import Batch, MethodContext, Needs, TrainingProgress
from core.methods.method import Method, select_classes, widen
from core.methods.parts.idle import idle, refuse
from core.methods.parts.logits import filled, mean_over_labels, refuse_standardizing_two_classes, standardized, warmed
from core.networks.network import Features
from core.spec.knobs.dkd import DkdKnobs

# By `standardize`, (T, w).
AUTO = {False: (4.0, 1.0), True: (2.0, 9.0)}


def decoupled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(log of (p[y], 1 - p[y]) as (N, 2), log of the softmax over the other classes as (N, K - 1))."""
    log_p = functional.log_softmax(logits, dim=1)
    places = torch.arange(logits.shape[1] - 1, device=logits.device)
    others = log_p.gather(1, places + (places >= labels.unsqueeze(1)))
    rest = others.logsumexp(dim=1, keepdim=True)
    return torch.cat([log_p.gather(1, labels.unsqueeze(1)), rest], dim=1), others - rest


def dkd_losses(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, *, alpha: float, beta: float, temperature: float
) -> Tensor:
    """T^2 (alpha target part + beta non-target part) of each image: (N,) of two (N, K) logits and int64 (N,) labels."""
    student = decoupled(widen(student_logits) / temperature, labels)
    teacher = decoupled(widen(teacher_logits) / temperature, labels)
    target, others = (
        functional.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=1)
        for ours, theirs in zip(student, teacher, strict=True)
    )
    return temperature**2 * (alpha * target + beta * others)


class Dkd(Method):
    """Labels; how sure the teacher is of the label; and, weighed apart, what it says of the other classes."""

    needs = Needs(teacher_logits=True)
    knobs: DkdKnobs

    def __init__(self, knobs: DkdKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.ramp = 1.0
        if knobs.standardize:
            refuse_standardizing_two_classes(context.num_classes)
        if context.num_classes == 2 and knobs.alpha == 0:
            refuse("alpha", "with two classes only the part that alpha weighs can teach; allowed there: above 0")

    def warnings(self) -> tuple[JobWarning, ...]:
        """That there are no classes besides the label and one other, where that is so."""
        if self.context.num_classes > 2 or not self.knobs.beta:
            return ()
        return (
            idle("dkd", "beta", "with two classes one class is left beside the label, of which nothing is to learn"),
        )

    @classmethod
    def resolved(cls, knobs: DkdKnobs) -> DkdKnobs:
        """With the temperature and the weight that suit the logits."""
        temperature, weight = AUTO[knobs.standardize]
        return filled(knobs, temperature=temperature, weight=weight)

    def begin_step(self, progress: TrainingProgress) -> None:
        """Raise the weight of the distillation over the first part of the training."""
        self.ramp = warmed(progress.fraction, self.knobs.warmup)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `dkd`: both parts with their weights."""
        logits = student.logits, select_classes(batch.required_teacher.logits, self.context.required_classes)
        if self.knobs.standardize:
            logits = standardized(logits[0]), standardized(logits[1])
        knobs: dict[str, float] = {
            "alpha": self.knobs.alpha,
            "beta": self.knobs.beta,
            "temperature": float(self.knobs.temperature),
        }
        loss = mean_over_labels(batch.targets, lambda labels: dkd_losses(logits[0], logits[1], labels, **knobs))
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "dkd": self.ramp * float(self.knobs.weight) * loss,
        }
