"""Joint progressive distillation and unsupervised domain adaptation (Nguyen-Meidine et al. 2020, arXiv 2005.07839).

Source images x_S have labels y, target images x_T have none. Each batch takes two steps in turn, with e the training's
progress in [0, 1) and B(e) = B_0^(1-e) B_1^e:

teacher  (1 - B) [ CE(z_t(x_S), y) + c A(g_t(x_S), g_t(x_T)) ]
student  B [ a_S T^2 KL(z_t(x_S) || z_s(x_S)) + a CE(z_s(x_S), y) + a_T T^2 KL(z_t(x_T) || z_s(x_T)) ]

A compares the teacher's pooled features g (N, D) of both domains, and r(e) = 2 / (1 + exp(-10 e)) - 1 ramps it up:
`mmd`       r(e) times the squared maximum mean discrepancy with five Gaussian kernels, added up;
`reversal`  binary cross-entropy of a discriminator, whose gradient reaches the teacher times -r(e).

Where the authors' code (KD_UDA, and MT-MTDA for the reversal) and their abstract part, this follows the abstract: the
student's step moves the student alone, the adaptation goes on after the first epoch, the target's logits are logits.
Ramp and B are over the whole training as in MT-MTDA, and move with each step, so that a short training adapts too. The
soft labels are those of the teacher in eval mode, as it would be deployed. The teacher keeps the customer's classes
alone; once moved it is an artifact.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.evaluation.predict import evaluating
from core.methods.contract import Batch, MethodContext, Products, TrainingProgress, Update
from core.methods.kd import kd_loss
from core.methods.method import Method, widen
from core.methods.parts.geometry import inner_products
from core.methods.parts.norm import BatchNorm
from core.networks.head import slice_head
from core.networks.serialized import to_safetensors
from core.spec.knobs.kd_uda import KdUdaKnobs
from core.system.seeds import seeded

NUM_KERNELS = 5
AUTO_WEIGHT = {"mmd": 1.0, "reversal": 0.5}
HIDDEN_FACTOR = 2  # the authors' discriminator has 4096 hidden units for 2048 features


def mmd_loss(source: Tensor, target: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of (N, D) and (M, D) features: mean K_SS + mean K_TT - 2 mean K_ST >= 0.

    K sums five Gaussian kernels exp(-d^2 / (b 2^i)), i = 0..4, with b a quarter of the mean d^2 over pairs, through
    which no gradient goes. In float32 at least.
    """
    count, features = len(source), torch.cat([widen(source), widen(target)])
    # Distances do not depend on the origin; near it their rounding is smallest.
    features = features - features.mean(dim=0).detach()
    norms = features.square().sum(dim=1)
    squared = (norms[:, None] + norms - 2 * inner_products(features, features)).clamp(min=0)
    pairs = len(features) * (len(features) - 1)
    bandwidth = squared.detach().sum() / pairs / 2 ** (NUM_KERNELS // 2)
    bandwidth = torch.where(bandwidth > 0, bandwidth, torch.ones_like(bandwidth))
    kernel = sum((-squared / (bandwidth * 2**i)).exp() for i in range(NUM_KERNELS))
    return kernel[:count, :count].mean() + kernel[count:, count:].mean() - 2 * kernel[:count, count:].mean()


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(values: Tensor, strength: float) -> Tensor:
    """The values as they are; their gradient times -strength (Ganin, Lempitsky, ICML 2015)."""
    return _Reversal.apply(values, strength)


def discriminator_loss(source_scores: Tensor, target_scores: Tensor) -> Tensor:
    """Binary cross-entropy of (N,) and (M,) scores, source 1 and target 0; the means of both domains added."""
    ones, zeros = torch.ones_like(source_scores), torch.zeros_like(target_scores)
    score = functional.binary_cross_entropy_with_logits
    return score(source_scores, ones) + score(target_scores, zeros)


def ramp(progress: float) -> float:
    """From 0 towards 1 as progress goes from 0 to 1."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


class KdUda(Method):
    """A teacher that adapts to a second domain by and by, and a student that learns from it on both."""

    knobs: KdUdaKnobs

    def __init__(self, knobs: KdUdaKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        slice_head(context.required_teacher, context.required_classes.tolist()).requires_grad_(True)
        self.rate_scales = {"teacher": knobs.teacher_rate}
        self.discriminator: nn.Module | None = None
        if knobs.adaptation == "reversal":
            width = context.required_teacher.pooled_width
            hidden = HIDDEN_FACTOR * width
            with seeded(0, "kd_uda discriminator"):
                self.discriminator = nn.Sequential(
                    nn.Linear(width, hidden), nn.ReLU(), BatchNorm(hidden), nn.Linear(hidden, 1)
                )
        self.progress = 0.0

    @classmethod
    def resolved(cls, knobs: KdUdaKnobs) -> KdUdaKnobs:
        """With the weight that suits the adaptation."""
        if knobs.adaptation_weight != "auto":
            return knobs
        return knobs.model_copy(update={"adaptation_weight": AUTO_WEIGHT[knobs.adaptation]})

    @property
    def distillation(self) -> float:
        """B: the weight of the student's loss in this step; the teacher's has 1 - B."""
        return self.knobs.distillation_start ** (1 - self.progress) * self.knobs.distillation_end**self.progress

    def begin_step(self, progress: TrainingProgress) -> None:
        """Move both schedules."""
        self.progress = progress.fraction

    def set_training_mode(self) -> None:
        """Both networks learn."""
        super().set_training_mode()
        self.context.required_teacher.train()

    def updates(self, batch: Batch) -> Iterator[Update]:
        """The teacher's step, then the student's; either is left out where its weight is 0."""
        share = self.distillation
        if share < 1:
            yield Update(self._adaptation(batch, 1 - share), group="teacher")
        if share > 0:
            yield self._distillation(batch, share)

    def _adaptation(self, batch: Batch, weight: float) -> dict[str, Tensor]:
        source, target = (
            self.context.required_teacher.features(views, ()) for views in (batch.views, batch.required_target_views)
        )
        strength = ramp(self.progress)
        if self.discriminator is None:
            discrepancy = strength * mmd_loss(source.required_pooled, target.required_pooled)
        else:
            scores = (self._score(self.discriminator, each.required_pooled, strength) for each in (source, target))
            discrepancy = discriminator_loss(*scores)
        return {
            "teacher_label": weight * self.label_loss(source.logits, batch),
            self.knobs.adaptation: weight * float(self.knobs.adaptation_weight) * discrepancy,
        }

    @staticmethod
    def _score(discriminator: nn.Module, features: Tensor, strength: float) -> Tensor:
        return widen(discriminator(reverse_gradient(features, strength)).squeeze(1))

    def _distillation(self, batch: Batch, weight: float) -> Update:
        knobs, student = self.knobs, self.context.student
        logits = student(batch.views)
        terms = {"label": weight * knobs.label_weight * self.label_loss(logits, batch)}
        if knobs.source_weight > 0:
            terms["kd_source"] = weight * knobs.source_weight * self._divergence(logits, batch.views)
        if knobs.target_weight > 0:
            target = student(batch.required_target_views)
            terms["kd_target"] = weight * knobs.target_weight * self._divergence(target, batch.required_target_views)
        return Update(terms, logits)

    def _divergence(self, logits: Tensor, views: Tensor) -> Tensor:
        teacher = self.context.required_teacher
        with torch.no_grad(), evaluating(teacher):
            taught = teacher(views)
        sides = (logits, taught) if self.knobs.divergence == "forward" else (taught, logits)
        return kd_loss(*sides, temperature=self.knobs.temperature)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The student; the teacher with the discriminator."""
        return {
            "student": list(self.context.student.parameters()),
            "teacher": [*self.context.required_teacher.parameters(), *self.parameters()],
        }

    def products(self) -> Products:
        """The adapted teacher, for later jobs."""
        return Products(teacher=to_safetensors(self.context.required_teacher, self.context.classes))
