"""FitNets (Romero et al., ICLR 2015, arXiv 1412.6550): the student learns to foretell a hint, a map of the teacher.

One stage (the form of the common benchmarks): L = a CE(z_s, y) + b sum_l mean (R_l(s_l) - t_l)^2
Two stages (the paper's order): first the hints alone, b sum_l mean (R_l(s_l) - t_l)^2, which moves the student up to
its deepest hinted map; then a CE(z_s, y) + c T^2 KL(p_t^T || p_s^T) with fresh optimizers.

R_l: a convolution to the teacher's channels and size (1x1 where the sizes agree, 3x3 with stride 2 or a transposed 4x4
where one is twice the other; else 1x1, and the larger map is pooled), batch norm, and a ReLU unless the teacher's map
has negative values. It is trained along and not exported.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from core.errors import LabelSpaceMismatch
from core.methods.contract import Batch, MethodContext, Stage
from core.methods.kd import kd_loss
from core.methods.method import select_classes
from core.methods.parts.distances import mse_distance, same_size
from core.methods.parts.feature_method import FeatureMethod
from core.networks.network import Features, Network
from core.networks.taps import TapPoint
from core.spec.knobs.fitnet import FitnetKnobs


def regressor(student: TapPoint, teacher: TapPoint, *, relu: bool) -> nn.Sequential:
    """(N, C, H, W) -> (N, D, H', W'), where one side is once or twice the other; else the size stays."""
    channels = student.channels, teacher.channels
    if student.height == 2 * teacher.height:
        convolution: nn.Module = nn.Conv2d(*channels, 3, stride=2, padding=1, bias=False)
    elif 2 * student.height == teacher.height:
        convolution = nn.ConvTranspose2d(*channels, 4, stride=2, padding=1, bias=False)
    else:
        convolution = nn.Conv2d(*channels, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(teacher.channels), *([nn.ReLU()] if relu else []))


class Fitnet(FeatureMethod):
    """Labels and a hint at once, or the hint first and then labels and the teacher's soft labels."""

    term = "fitnet"
    knobs: FitnetKnobs

    def __init__(self, knobs: FitnetKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        if knobs.stages == 2 and knobs.kd_weight > 0:
            if context.class_indices is None:
                raise LabelSpaceMismatch(
                    "the second stage of fitnet compares outputs class by class, and the teacher lacks some classes",
                    hint="set method.kd_weight to 0, or method.stages to 1",
                    pointer="/method/kd_weight",
                )
            self.needs = replace(self.needs, teacher_logits=True)

    def stages(self) -> tuple[Stage, ...]:
        """One, or the hint and then distillation, each with the whole learning-rate schedule."""
        if self.knobs.stages == 1:
            return super().stages()
        share = self.knobs.hint_share
        return (
            Stage("hint", share=share, restarts_schedule=True, prepares=True),
            Stage("distillation", share=1 - share, restarts_schedule=True),
        )

    def adapter(self, student: TapPoint, teacher: TapPoint) -> nn.Module:
        """The regressor."""
        return regressor(student, teacher, relu=not _has_negatives(self.context.required_teacher, teacher))

    def distance(self, adapter: nn.Module, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """After the regressor, which brings most maps to the teacher's size."""
        return mse_distance(*same_size(adapter(student_map), teacher_map))

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label` and `fitnet` at once; in two stages `fitnet`, then `label` and `kd`."""
        if self.knobs.stages == 1:
            return super().terms(student, batch)
        if self.stage.name == "hint":
            return {"fitnet": self.knobs.weight * self.distances(student, batch)}
        terms = {"label": self.knobs.label_weight * self.label_loss(student.logits, batch)}
        if self.knobs.kd_weight > 0:
            teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
            loss = kd_loss(student.logits, teacher_logits, temperature=self.knobs.temperature)
            terms["kd"] = self.knobs.kd_weight * loss
        return terms


@torch.no_grad()
def _has_negatives(network: Network, point: TapPoint) -> bool:
    """Whether a map goes below zero on noise; behind a ReLU it cannot, elsewhere it does."""
    size = network.input.size
    noise = torch.rand(2, 3, size, size).to(network.mean.device)
    return bool(network.features(noise, (point.path,)).maps[0].min() < 0)
