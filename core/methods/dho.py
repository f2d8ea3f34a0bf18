"""Dual-head optimization (DHO; Kang, Lee, Jang, Hwang, arXiv 2505.07675), read in the authors' code.

L = a CE(z_l, y) + b T^2 KL(softmax(z_t / T) || softmax(z_d / T))

z_l and z_d (N, K) are the outputs of two classifiers, the label head and the distillation head, on the student's pooled
features, so that labels and teacher pull at separate classifiers and meet in the features alone. The deployed network
gives the mixture p = (1 - s) softmax(z_l) + s softmax(z_d / t) as its logarithm (core.networks.two_heads).

The authors choose s and t on validation images after each epoch; here both are knobs. They also distil on unlabelled
images, which a job has no field for. The teacher's logits are restricted to the customer's classes.
"""

from dataclasses import replace

import torch
from torch import Tensor

from core.errors import SpecInvalid
from core.methods.contract import Batch, MethodContext, Needs
from core.methods.kd import kd_loss
from core.methods.method import Method, select_classes
from core.networks.head import head_outputs
from core.networks.inference import in_layout
from core.networks.network import Features, Network
from core.networks.trace import example_pixels, undisturbed
from core.networks.two_heads import DISTILLATION, LABEL, MixedHead, with_two_heads
from core.spec.knobs.dho import DhoKnobs
from core.spec.two_heads import split_two_heads
from core.system.seeds import seeded

TOLERANCE = 1e-3
PROBES = 4


class Dho(Method):
    """Labels for one classifier and the teacher's soft labels for another; the network gives the mixture of both."""

    needs = Needs(teacher_logits=True)
    knobs: DhoKnobs

    def __init__(self, knobs: DhoKnobs, context: MethodContext) -> None:
        student = in_layout(with_two_heads(context.student))
        # From here on the student is the network with two classifiers; its encoder is the student that was given.
        super().__init__(knobs, replace(context, student=student))
        head = next(part for part in student.module.modules() if isinstance(part, MixedHead))
        head.share.fill_(knobs.share)
        head.temperature.fill_(knobs.mixing_temperature)
        _refuse_unmixed(student, head)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE of the label head; `kd`: b T^2 KL of the distillation head."""
        label_logits, distilled_logits = _both(self.context.student, student.required_pooled)
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        loss = kd_loss(distilled_logits, teacher_logits, temperature=self.knobs.temperature)
        return {
            "label": self.knobs.label_weight * self.label_loss(label_logits, batch),
            "kd": self.knobs.weight * loss,
        }


def _both(student: Network, pooled: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) logits of the label head and of the distillation head."""
    outputs = {path.rpartition(".")[2]: logits for path, logits in head_outputs(student, pooled).items()}
    return outputs[LABEL], outputs[DISTILLATION]


def _refuse_unmixed(student: Network, head: MixedHead) -> None:
    """Raise SpecInvalid unless the mixture of the heads is what the network gives, tried on noise."""
    pixels = example_pixels(student.module, student.input.size)
    with undisturbed(student.module):
        with seeded(0, "probe"):
            noise = torch.rand(PROBES, *pixels.shape[1:]).to(pixels.device, pixels.dtype)
        seen = student.features(noise, ())
        is_mixed = len(student.classifier_paths) == 2 and _agree(
            seen.logits, _both(student, seen.required_pooled), head
        )
    if not is_mixed:
        detail = f"{split_two_heads(student.architecture)[0]} does not give the outputs of one classifier"
        raise SpecInvalid([("/student/architecture", f"{detail}; choose another student, or method kd")])


def _agree(logits: Tensor, heads: tuple[Tensor, Tensor], head: MixedHead) -> bool:
    label, distilled = (each.double() for each in heads)
    mixture = (1 - head.share) * label.softmax(dim=1) + head.share * (distilled / head.temperature).softmax(dim=1)
    return bool((logits.exp() - mixture).abs().max() < TOLERANCE)
