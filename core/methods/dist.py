"""DIST (Huang et al., "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022): relations instead of values.

With Y = softmax(z / T) of shape (N, K) and Pearson's r,
L = a CE(z_s, y) + w T^2 [ b (1 - mean over images i of r(Y_s[i, :], Y_t[i, :]))
                         + c (1 - mean over classes k of r(Y_s[:, k], Y_t[:, k])) ].
The first part looks at the classes of one image, the second at one class over the batch: it needs several images, and
of a single one it is the constant T^2 without gradient. With two classes the first part is constant too and is left
out, with a warning. Formula and defaults as in the authors' code, T = 4 being their setting for CIFAR-100 (1 for
ImageNet).
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.events import JobWarning
from core.methods.contract import Batch, MethodContext, Needs
from core.methods.method import Method, select_classes, widen
from core.methods.parts.idle import idle, refuse
from core.networks.network import Features
from core.spec.knobs.dist import DistKnobs

EPS = 1e-8  # the authors', added to the product of both lengths: it damps classes that hardly vary over the batch


def pearson(left: Tensor, right: Tensor, *, dim: int) -> Tensor:
    """Pearson's correlation along `dim`, in [-1, 1]; 0 where a side is constant."""
    left, right = left - left.mean(dim=dim, keepdim=True), right - right.mean(dim=dim, keepdim=True)
    lengths = torch.linalg.vector_norm(left, dim=dim) * torch.linalg.vector_norm(right, dim=dim)
    return (left * right).sum(dim=dim) / (lengths + EPS)


def dist_losses(student_logits: Tensor, teacher_logits: Tensor, *, temperature: float) -> tuple[Tensor, Tensor]:
    """(inter, intra), each T^2 (1 - mean r), of two (N, K) logits."""
    student = functional.softmax(widen(student_logits) / temperature, dim=1)
    teacher = functional.softmax(widen(teacher_logits) / temperature, dim=1)
    inter = 1 - pearson(student, teacher, dim=1).mean()
    intra = 1 - pearson(student, teacher, dim=0).mean()
    return temperature**2 * inter, temperature**2 * intra


class Dist(Method):
    """Labels, and the teacher's order of classes within an image and of images within a class."""

    needs = Needs(teacher_logits=True)
    knobs: DistKnobs

    def __init__(self, knobs: DistKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.has_inter = context.num_classes > 2
        if not self.has_inter and not knobs.intra_weight:
            refuse("intra_weight", "with two classes only the term that it weighs can teach; allowed there: above 0")

    def warnings(self) -> tuple[JobWarning, ...]:
        """That the correlation over the classes of an image is left out, where it could not teach."""
        if self.has_inter or not self.knobs.inter_weight:
            return ()
        reason = "two classes correlate with 1 or -1 in every image; it is left out"
        return (idle("dist", "the correlation over the classes of an image", reason),)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `inter` and `intra`: the weighted correlations."""
        teacher_logits = select_classes(batch.required_teacher.logits, self.context.required_classes)
        inter, intra = dist_losses(student.logits, teacher_logits, temperature=self.knobs.temperature)
        terms = {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "inter": self.knobs.weight * self.knobs.inter_weight * inter,
            "intra": self.knobs.weight * self.knobs.intra_weight * intra,
        }
        if not self.has_inter:
            del terms["inter"]
        return terms
