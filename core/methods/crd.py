"""Contrastive representation distillation (Tian, Krishnan, Isola, ICLR 2020, arXiv 1910.10699).

L = a CE(z_s, y) + b (NCE(student anchors, teacher memory) + NCE(teacher anchors, student memory))

Both networks' pooled features go through a linear layer each, to length 1 in W dimensions. Each memory holds one such
vector for each of the n training images, m = 0.5 m + 0.5 v at length 1 whenever the image comes by. For an anchor v of
image i, its own row i is the positive, K rows of other classes are negatives, and with P(j) = exp(v m_j / T) / Z

NCE = mean_i [ -log(P(i) / (P(i) + K/n)) - sum_k log((K/n) / (P(k) + K/n)) ]

Z is n times the mean of exp(v m / T) over the first batch, then fixed. Which image has which class is noted as batches
pass; rows not yet seen are noise and serve as negatives. Where images are mixed none has a class: then the negatives of
an image are all others. K is at most n. Memory: 2 n W floats, and N n for the scores. Among several processes each
keeps memories of its own, of the images that came to it.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods.contract import Batch, MethodContext, Needs
from core.methods.method import Method, widen
from core.methods.parts.geometry import inner_products, unit
from core.networks.network import Features
from core.spec.knobs.crd import CrdKnobs
from core.system.seeds import seeded

UNKNOWN = -1


def nce_loss(log_ratios: Tensor) -> Tensor:
    """Noise-contrastive loss of log(P / (K/n)), (N, 1 + K), the positive first; sum over negatives, mean over N."""
    positive, negatives = log_ratios[:, 0], log_ratios[:, 1:]
    return functional.softplus(-positive).mean() + functional.softplus(negatives).sum(dim=1).mean()


def draw_negatives(labels: Tensor, indices: Tensor, count: int) -> Tensor:
    """int64 (N, count): places in `labels` (n,), drawn evenly, with repetition, from those with another label than the
    image at each of `indices` (N,); for an image of UNKNOWN label from all other places.
    """
    order = labels.argsort(stable=True)
    in_order, own = labels[order], labels[indices]
    # In order of labels, what may not be drawn is one run of places: the own class, or the image alone.
    alone = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))[indices]
    first = torch.where(own == UNKNOWN, alone, torch.searchsorted(in_order, own))
    after = torch.where(own == UNKNOWN, alone + 1, torch.searchsorted(in_order, own, right=True))
    left = (len(labels) - (after - first))[:, None]
    draws = (torch.rand(len(indices), count, device=labels.device) * left).long().minimum(left - 1)
    places = torch.where(draws >= first[:, None], draws + (after - first)[:, None], draws)
    return order[places.clamp(0, len(labels) - 1)]


class Crd(Method):
    """Labels, and telling each image's own features in the other network from those of other classes."""

    needs = Needs(teacher_pooled=True)
    knobs: CrdKnobs
    student_memory: Tensor
    teacher_memory: Tensor
    labels: Tensor
    normalizers: Tensor

    def __init__(self, knobs: CrdKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        bound = math.sqrt(3 / knobs.width)  # rows of length 1 on average
        with seeded(0, "crd embeddings and memories"):
            self.student_embedding = nn.Linear(context.student.pooled_width, knobs.width)
            self.teacher_embedding = nn.Linear(context.required_teacher.pooled_width, knobs.width)
            for name in ("student_memory", "teacher_memory"):
                rows = torch.empty(context.num_train, knobs.width).uniform_(-bound, bound)
                self.register_buffer(name, rows)
        self.register_buffer("labels", torch.full((context.num_train,), UNKNOWN))
        self.register_buffer("normalizers", torch.full((2,), -1.0))

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `crd`: b times both directions. The memories then take the batch in."""
        self._note_classes(batch)
        count = min(self.knobs.negatives, len(self.labels))
        columns = torch.cat([batch.indices[:, None], draw_negatives(self.labels, batch.indices, count)], dim=1)
        students = unit(self.student_embedding(student.pooled))
        teachers = unit(self.teacher_embedding(widen(batch.required_teacher.required_pooled)))
        loss = self._contrast(0, students, self.teacher_memory, columns)
        loss = loss + self._contrast(1, teachers, self.student_memory, columns)
        self.student_memory = self._remembered(self.student_memory, students, batch.indices)
        self.teacher_memory = self._remembered(self.teacher_memory, teachers, batch.indices)
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "crd": self.knobs.weight * loss,
        }

    @torch.no_grad()
    def _note_classes(self, batch: Batch) -> None:
        classes = batch.targets
        if classes.ndim == 2:
            share, classes = classes.max(dim=1)
            classes = torch.where(share == 1, classes, self.labels[batch.indices])
        self.labels = self.labels.index_copy(0, batch.indices, classes)

    def _contrast(self, place: int, anchors: Tensor, memory: Tensor, columns: Tensor) -> Tensor:
        # All scores at once: gathering K rows of the memory for each anchor would take W times the memory.
        scores = inner_products(anchors / self.knobs.temperature, memory).gather(1, columns)
        known = self.normalizers[place]
        with torch.no_grad():
            self.normalizers[place] = torch.where(known > 0, known, scores.exp().mean() * len(memory))
        noise = (columns.shape[1] - 1) / len(memory)
        return nce_loss(scores - self.normalizers[place].log() - math.log(noise))

    @torch.no_grad()
    def _remembered(self, memory: Tensor, vectors: Tensor, indices: Tensor) -> Tensor:
        """A new memory: the old one is needed for the gradient."""
        share = self.knobs.momentum
        rows = unit(share * memory[indices] + (1 - share) * vectors)
        return memory.index_copy(0, indices, rows.to(memory.dtype))
