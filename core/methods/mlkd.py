"""Multi-level logit distillation (Jin, Wang, Lin, CVPR 2023): every image in a weak and a strong view.

With P = softmax(z / T) of shape (N, K), over the temperatures T in 4, 3, 5, 2, 6,
instance = mean over T of T^2 KL(p_t^T || p_s^T)
batch    = mean over T of |P_s P_s' - P_t P_t'|^2 / N     (N x N: which images the network finds alike)
classes  = mean over T of |P_s' P_s - P_t' P_t|^2 / K     (K x K: which classes it finds alike)
L = sum over both views of a CE(z_s, y) + w instance + r (s batch + s^2 classes); the teacher sees both views too.

The paper has s = 1 and more classes than images in a batch. With fewer, images of one class meet in every batch, and
the two terms grow until they drown all others (at K = 10, N = 64 the student stays at chance). s = min(1, K / N) is
ours: it leaves the paper's case alone, and beyond it a batch that holds every image twice costs what it costs once.

`paper_code` does what the published code does, as far as read there: of the weak view every term is multiplied by the
share of images (or classes) of no more than the median confidence, about one half; of the strong view only the instance
term counts, and T = 2 and T = 6 take the weak view's logits. The code adds up five temperatures with 0.9, which is w =
4.5 on a mean, and r = w. With `standardize` the instance term sees standardized logits (Sun et al., CVPR 2024: w = r =
9 x 5 on a mean and temperatures 2, 3, 5, 2, 6, both of which `paper_code` keeps). At the rates of the field that is too
much for a short training: ten classes of CIFAR-100 were told apart in 16% of the cases after 140 steps, with w = 9 and
r = w / 10, which are ours, in 50%. With two classes the standardized instance term is left out, with a warning.
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.events import JobWarning
from core.methods.contract import Batch, MethodContext, Needs
from core.methods.kd import kd_loss
from core.methods.method import Method, select_classes, widen
from core.methods.parts.idle import idle
from core.methods.parts.logits import filled, refuse_standardizing_two_classes, standardized
from core.networks.network import Features
from core.spec.knobs.mlkd import MlkdKnobs

TEMPERATURES = (4.0, 3.0, 5.0, 2.0, 6.0)
# The code of logit standardization has its own temperature, 2, in the first place.
STANDARDIZED_TEMPERATURES = (2.0, 3.0, 5.0, 2.0, 6.0)
# The places of these temperatures at which the published code's term of the strong view has the weak view's logits.
WEAK_PLACES = (3, 4)


def gram_losses(student_logits: Tensor, teacher_logits: Tensor, *, temperature: float) -> tuple[Tensor, Tensor]:
    """(batch, classes): squared differences of P P' over N, and of P' P over K, of two (N, K) logits."""
    with torch.autocast(student_logits.device.type, enabled=False):
        student = functional.softmax(widen(student_logits) / temperature, dim=1)
        teacher = functional.softmax(widen(teacher_logits) / temperature, dim=1)
        batch = (student @ student.T - teacher @ teacher.T).square().sum() / student.shape[0]
        classes = (student.T @ student - teacher.T @ teacher).square().sum() / student.shape[1]
    return batch, classes


def share_of_unsure(confidence: Tensor) -> Tensor:
    """The share of (M,) confidences that are not above their median."""
    return (confidence <= confidence.quantile(0.5)).float().mean()


class Mlkd(Method):
    """Labels and the teacher's soft labels, image by image, over the batch and over the classes, in two views."""

    needs = Needs(
        teacher_logits=True,
        num_views=2,
        more_views="strong",
        teacher_sees="all",
    )
    knobs: MlkdKnobs

    def __init__(self, knobs: MlkdKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        is_standardized_code = knobs.paper_code and knobs.standardize
        self.temperatures = STANDARDIZED_TEMPERATURES if is_standardized_code else TEMPERATURES
        self.has_instance = not (knobs.standardize and context.num_classes == 2)
        if not self.has_instance and not knobs.relation_weight:
            refuse_standardizing_two_classes(context.num_classes)

    def warnings(self) -> tuple[JobWarning, ...]:
        """That the image level is left out, where it could not teach."""
        if self.has_instance:
            return ()
        reason = "with two classes the standardized logits of every image are 0.707 and -0.707; it is left out"
        return (idle("mlkd", "the level of images", reason, "set method.standardize to false to have it"),)

    @classmethod
    def resolved(cls, knobs: MlkdKnobs) -> MlkdKnobs:
        """With the weights that suit the logits."""
        if not knobs.standardize:
            weight, share = 4.5, 1.0
        else:
            weight, share = (45.0, 1.0) if knobs.paper_code else (9.0, 0.1)
        knobs = filled(knobs, weight=weight)
        return filled(knobs, relation_weight=share * float(knobs.weight))

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE of both views; `instance`, `batch`, `classes`: with their weight."""
        strong = self.context.student.features(batch.more_views[0], ()).logits
        seen = [features.logits for features in (batch.required_teacher, batch.more_teacher[0])]
        teacher = [widen(select_classes(logits, self.context.required_classes)) for logits in seen]
        parts = self._as_published if self.knobs.paper_code else self._clean
        label = self.label_loss(student.logits, batch) + self.label_loss(strong, batch)
        instance, of_batch, of_classes = parts([student.logits, strong], teacher)
        relation_weight = float(self.knobs.relation_weight)
        terms = {
            "label": self.knobs.label_weight * label,
            "instance": float(self.knobs.weight) * instance,
            "batch": relation_weight * of_batch,
            "classes": relation_weight * of_classes,
        }
        if not self.has_instance:
            del terms["instance"]
        return terms

    def _clean(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        views = [self._levels(ours, theirs) for ours, theirs in zip(student, teacher, strict=True)]
        images, classes = student[0].shape
        scale = min(1.0, classes / images)
        instance, of_batch, of_classes = torch.stack(views).sum(dim=0)
        return torch.stack([instance, scale * of_batch, scale**2 * of_classes])

    def _as_published(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        p = functional.softmax(teacher[0], dim=1)
        images, classes = share_of_unsure(p.amax(dim=1)), share_of_unsure(p.sum(dim=0))
        weak = self._levels(student[0], teacher[0]) * torch.stack([images, images, classes])
        views = [0 if place in WEAK_PLACES else 1 for place in range(len(self.temperatures))]
        strong = [self._instance(student[v], teacher[v], t) for v, t in zip(views, self.temperatures, strict=True)]
        return torch.stack([weak[0] + torch.stack(strong).mean(), weak[1], weak[2]])

    def _levels(self, student: Tensor, teacher: Tensor) -> Tensor:
        """(3,) of one view: instance, batch, classes, each the mean over the temperatures."""
        each = [
            torch.stack([self._instance(student, teacher, t), *gram_losses(student, teacher, temperature=t)])
            for t in self.temperatures
        ]
        return torch.stack(each).mean(dim=0)

    def _instance(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        if self.knobs.standardize:
            student, teacher = standardized(student), standardized(teacher)
        return kd_loss(student, teacher, temperature=temperature)
