"""Decoupled knowledge distillation (Zhao et al., CVPR 2022).

With p = softmax(z / T), b = (p[y], 1 - p[y]) and p^ the softmax over the classes other than y,
L = a CE(z_s, y) + ramp w T^2 [ alpha KL(b_t || b_s) + beta KL(p^_t || p^_s) ],  ramp = min((epoch + 1) / warm-up, 1).
With beta = 1 - p_t[y] for each image and alpha = 1 this is `kd`. With two classes the second part is 0. All in
logarithms, so that 1 - p[y] may vanish. Of an image with two labels (mixup, CutMix) it is the mean of both, by their
shares. Formula, warm-up and defaults as in the authors' code; with `standardize` as in that of logit standardization.
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.methods.method import Batch, Method, MethodContext, Needs, TrainingProgress, select_classes, widen
from core.methods.parts.logits import filled, mean_over_labels, standardized
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

    @classmethod
    def resolved(cls, knobs: DkdKnobs) -> DkdKnobs:
        """With the temperature and the weight that suit the logits."""
        temperature, weight = AUTO[knobs.standardize]
        return filled(knobs, temperature=temperature, weight=weight)

    def begin_epoch(self, progress: TrainingProgress) -> None:
        """The weight of the distillation rises over the first epochs."""
        self.ramp = min((progress.epoch + 1) / max(self.knobs.warmup_epochs, 1), 1.0)

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
