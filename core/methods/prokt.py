"""ProKT, a teacher that trains along (Shi, Song, Zhou, Li, Li, "Follow your path: a progressive method for knowledge
distillation", ECML-PKDD 2021, arXiv 2107.09305). Losses and order as in the authors' code for text classification; what
they did with images is not public.

teacher  L_T = (1 - l) CE(z_t, y) + l T^2 KL(sg[p_s] || p_t)
student  L_S = T^2 KL(sg[p_t] || p_s)

Logits z are (N, K) over the customer's classes, p = softmax(z / T); divergences are summed over classes, averaged over
images. At T = 1 over free p_t, L_T is least at p_t* = (1 - l) onehot(y) + l p_s, and dL_T / dz_t = (p_t - p_t*) / N.
For each batch: one step of the teacher, then one of the student towards the teacher as it is after its step. Each sees
the other in eval mode (`targets`). The dual form, L_T = CE + b (KL - e) with b <- max(0, b + r (KL - e)) after each
step, holds the divergence near e.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from core.errors import LabelSpaceMismatch
from core.evaluation.predict import evaluating
from core.methods.contract import Batch, MethodContext, Products, Update
from core.methods.kd import kd_loss
from core.methods.method import Method
from core.networks import zoo
from core.networks.network import Network
from core.networks.serialized import to_safetensors
from core.spec.knobs.prokt import ProktKnobs
from core.system.seeds import seeded


class Prokt(Method):
    """The student follows a teacher that walks towards the labels and stays near the student."""

    knobs: ProktKnobs
    beta: Tensor

    def __init__(self, knobs: ProktKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.rate_scales = {"teacher": knobs.teacher_rate}
        with seeded(0, "prokt teacher"):
            _prepare_teacher(knobs, context)
        if knobs.initial_classifiers == "zero":
            _silence(context.student)
            _silence(context.required_teacher)
        context.required_teacher.requires_grad_(True)
        if knobs.form == "dual":
            self.register_buffer("beta", torch.tensor(float(knobs.beta)))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The teacher has its own optimizer."""
        return {
            "teacher": list(self.context.required_teacher.parameters()),
            "student": list(self.context.student.parameters()),
        }

    def set_training_mode(self) -> None:
        """Both learn."""
        super().set_training_mode()
        self.context.required_teacher.train()

    def updates(self, batch: Batch) -> Iterator[Update]:
        """The teacher's step, then the student's."""
        student, teacher = self.context.student, self.context.required_teacher
        target = self._seen(student, batch.views)
        logits = teacher(batch.views)
        divergence = kd_loss(logits, target, temperature=self.knobs.temperature)
        yield Update(self.teacher_terms(logits, divergence, batch), group="teacher")
        if self.knobs.form == "dual":
            moved = self.beta + self.knobs.beta_rate * (divergence.detach() - self.knobs.slack)
            self.beta = moved.clamp(min=0)
        target = self._seen(teacher, batch.views)  # after its step: the student follows where it went
        logits = student.features(batch.views, ()).logits
        yield Update({"follow": kd_loss(logits, target, temperature=self.knobs.temperature)}, logits)

    def teacher_terms(self, logits: Tensor, divergence: Tensor, batch: Batch) -> dict[str, Tensor]:
        """`label` and `proximity` of the teacher's logits (N, K) and its divergence (scalar) from the student."""
        label = self.label_loss(logits, batch)
        if self.knobs.form == "dual":
            return {"label": label, "proximity": self.beta * (divergence - self.knobs.slack)}
        share = self.knobs.proximity
        return {"label": (1 - share) * label, "proximity": share * divergence}

    def _seen(self, network: Network, views: Tensor) -> Tensor:
        """(N, K) logits as a target for the other."""
        with torch.no_grad(), _for_targets(network, self.knobs.targets == "batch"):
            logits: Tensor = network(views)
            return logits

    def products(self) -> Products:
        """The teacher after its training, over the customer's classes, for later jobs."""
        return Products(teacher=to_safetensors(self.context.required_teacher, self.context.classes))


@contextmanager
def _for_targets(network: nn.Module, batch_statistics: bool) -> Iterator[None]:
    """Eval mode for the block, with batch norms on the batch's own statistics where asked; these are not learned."""
    with evaluating(network):
        parts = network.modules() if batch_statistics else ()
        norms = [
            part for part in parts if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
        ]
        for norm in norms:
            norm.training, norm.track_running_stats = True, False
        try:
            yield
        finally:
            for norm in norms:
                norm.track_running_stats = True


def _prepare_teacher(knobs: ProktKnobs, context: MethodContext) -> None:
    """Give the teacher the customer's classes as its outputs, and random weights where asked."""
    teacher = context.required_teacher
    device = teacher.mean.device
    if knobs.initial_classifiers == "zero" or knobs.initial_teacher == "random":
        zoo.replace_head(teacher, context.num_classes)
    elif context.class_indices is not None:
        zoo.slice_head(teacher, context.class_indices.tolist())
    else:
        raise LabelSpaceMismatch(
            "the teacher's classes do not include all of the customer's, so it cannot begin with its own classifier",
            hint="leave method.initial_classifiers at zero",
            pointer="/method/initial_classifiers",
        )
    if knobs.initial_teacher == "random":
        fresh = zoo.build(teacher.architecture, context.num_classes, image_size=teacher.input.size)
        teacher.module.load_state_dict(fresh.to(device).module.state_dict())


def _silence(network: Network) -> None:
    """A classifier of zeros: every class is as likely."""
    with torch.no_grad():
        for path in network.classifier_paths:
            for parameter in network.module.get_submodule(path).parameters():
                parameter.zero_()
