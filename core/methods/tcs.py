"""A tailored coordinate system (Zhou, Zhu, Wu, AAAI 2025, arXiv 2412.09388; TCS): our variant.

The teacher sees every training image once and is never run again; it may be self-supervised, as no logits are asked
for. What is known of the paper (its abstract and summaries; the text itself was not at hand): PCA of the teacher's
features in one pass gives the coordinate system in which its knowledge lies; coordinates that do not serve the
customer's task are taken out step by step; a loss that mimics the stored features may help; weak with one or two images
per class, where there are fewer images than coordinates; nothing is left to compute at inference. The rest is ours:

t_i = C (h_i - m) of shape (R,):  h_i (D,) the pooled features of image i in its test view, m their mean, C the R
principal directions along which the class means differ most (largest between-class variance), all divided by one number
so that t has mean square 1.
L = a CE(z_s, y) + w mean over N and R of (A g_s - t)^2
A is a linear map of the student's pooled features g_s, trained along and not exported. Of a mixed image (mixup, CutMix)
the teacher saw only the parts: t is then the mean of its classes' mean coordinates, by their shares.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods.contract import Batch, MethodContext, Needs
from core.methods.method import Method, widen
from core.networks.network import Features
from core.spec.knobs.tcs import TcsKnobs
from core.system.seeds import seeded

LEAST = 1e-6


def tailored_coordinates(embeddings: Tensor, labels: Tensor, count: int) -> Tensor:
    """(M, count) coordinates of (M, D) embeddings, mean square 1, along the principal directions with the largest
    between-class variance for int64 (M,) labels.
    """
    centred = embeddings - embeddings.mean(dim=0)
    along = centred @ torch.linalg.eigh(centred.T @ centred).eigenvectors
    members = functional.one_hot(labels).to(along.dtype)
    sizes = members.sum(dim=0).clamp(min=1)
    between = (sizes.unsqueeze(1) * (members.T @ along / sizes.unsqueeze(1)).square()).sum(dim=0)
    chosen = along[:, between.topk(count).indices]
    return chosen / chosen.square().mean().sqrt().clamp(min=LEAST)


class Tcs(Method):
    """Labels, and where the teacher's features of each image lie in the coordinates that tell the classes apart."""

    needs = Needs(survey=True)
    knobs: TcsKnobs
    coordinates: Tensor
    class_means: Tensor

    def __init__(self, knobs: TcsKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        self.count = min(knobs.coordinates, context.required_teacher.pooled_width)
        self.register_buffer("coordinates", torch.zeros(context.num_train, self.count))
        self.register_buffer("class_means", torch.zeros(context.num_classes, self.count))
        # A generator of its own, so that it changes no other random draw.
        with seeded(0, "tcs adapter"):
            self.adapter = nn.Linear(context.student.pooled_width, self.count)

    def survey(self, batches: Iterator[Batch]) -> None:
        """The coordinates of every training image, and their mean over each class."""
        seen = [(batch.required_teacher.required_pooled, batch.targets, batch.indices) for batch in batches]
        pooled, labels, indices = (torch.cat(parts).cpu() for parts in zip(*seen, strict=True))
        coordinates = tailored_coordinates(pooled.double(), labels, self.count)
        for k in labels.unique().tolist():
            self.class_means[k] = coordinates[labels == k].mean(dim=0)
        self.coordinates[indices] = coordinates.to(self.coordinates)

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `coordinates`: w times the mean squared distance."""
        distance = functional.mse_loss(widen(self.adapter(student.pooled)), self.targets(batch))
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "coordinates": self.knobs.weight * distance,
        }

    def targets(self, batch: Batch) -> Tensor:
        """(N, R): where the student is to put the images of a batch."""
        if not batch.targets.is_floating_point():
            return self.coordinates[batch.indices]
        with torch.autocast(batch.targets.device.type, enabled=False):
            return batch.targets @ self.class_means
