"""What a method is: it declares what it needs, and gives named loss terms back. The training loop knows no method.

Shapes: N images, K classes, D width of the pooled features, C H W of a feature map.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from core.events import JobWarning
from core.methods.contract import Batch, MethodContext, Needs, Products, Stage, TrainingProgress, Update
from core.networks.network import Features, Network
from core.spec import needs_of
from core.spec.knobs import Need


class Method(nn.Module):
    """One way to train a student. Learnable parts (adapters, projectors, memories) are submodules and buffers.

    A subclass sets `needs` and gives `terms`; the rest has defaults for methods with one optimizer and one stage.
    """

    needs: Needs = Needs()
    rate_scales: Mapping[str, float] = MappingProxyType({})
    """What the learning rate is multiplied by, for groups where that is not 1."""

    def __init__(self, knobs: Any, context: MethodContext) -> None:
        super().__init__()
        self.knobs = knobs
        self.context = context
        self.stage = self.stages()[0]
        """The loop keeps it at the present stage, also after a resume."""

    @classmethod
    def resolved(cls, knobs: Any) -> Any:
        """`knobs` without any `auto`."""
        return knobs

    def requires(self, need: Need) -> bool:
        """Whether a job with this method must bring `need`, as its knobs declare."""
        return need in needs_of(self.knobs)

    @property
    def trains_teacher(self) -> bool:
        """Whether the method changes the teacher's weights; `parameter_groups` then has a group for them."""
        return "teacher" in self.knobs.trained_along

    @property
    def live_teacher(self) -> str | None:
        """The reason why stored outputs of the teacher cannot replace the teacher itself; None where they can."""
        if self.trains_teacher:
            return "its teacher moves"
        if self.requires("trajectory"):
            return "its teacher is swapped for other checkpoints"
        if self.needs.teacher_batch_statistics:
            return "its teacher's output depends on the whole batch"
        if self.needs.num_views > 1:
            return "it wants several views of an image at once"
        return None

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """The weighted loss terms by name (scalars); the loss is their sum."""
        raise NotImplementedError

    def updates(self, batch: Batch) -> Iterator[Update]:
        """The optimizer steps of one batch, in order. After each `yield` the step has been taken."""
        student = self.context.student.features(batch.views, self.needs.student_taps)
        yield Update(self.terms(student, batch), student.logits)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of each optimizer, by group name."""
        return {"student": [p for p in (*self.context.student.parameters(), *self.parameters()) if p.requires_grad]}

    def stages(self) -> tuple[Stage, ...]:
        """The stages in order; their shares add up to 1."""
        return (Stage(),)

    def begin_stage(self, stage: Stage) -> None:
        """Called once as a stage begins, not after a resume: start a student anew. What a stage trains and what it
        leaves as it is belongs in `parameter_groups`, which is asked after a resume too."""

    def survey(self, batches: Iterator[Batch]) -> None:
        """Called once before the first step where `needs.survey`, not after a resume: learn from the teacher's view of
        every training image (unaugmented, in order, in eval mode, without gradient). What is learned belongs in
        buffers, whose shapes are known from the start."""

    def anchor(self) -> int | None:
        """Index of the entry of MethodContext.anchors that teaches now, or None for the finished teacher. Asked after
        each begin_epoch, of methods whose knobs require a trajectory."""
        return None

    def begin_epoch(self, progress: TrainingProgress) -> None:
        """Called before each epoch's first batch, also after a resume: swap a teacher."""

    def begin_step(self, progress: TrainingProgress) -> None:
        """Called before each step with the training's progress: change a term's weight over the training."""

    def set_training_mode(self) -> None:
        """Put what learns into training mode; a frozen teacher stays in eval mode."""
        self.train()
        self.context.student.train()

    def deployed(self) -> Network:
        """The network that is evaluated and exported, without the teacher; shares its parameters with this method."""
        return self.context.student

    def warnings(self) -> tuple[JobWarning, ...]:
        """What a person should know about these knobs with this student, teacher and dataset, before any training."""
        return ()

    def products(self) -> Products:
        """What the training found besides the deployed network, as values; core.results.report writes the files."""
        return Products()

    def label_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The task's loss of (N, K) logits against the batch's (possibly mixed) labels: a scalar in float32."""
        return self.context.task.loss(logits, batch.targets, label_smoothing=self.context.label_smoothing)


def widen(values: Tensor) -> Tensor:
    """Half precision becomes float32, in which softmax, divergences and means are taken; float64 stays."""
    return values if values.dtype.itemsize >= 4 else values.float()


def select_classes(teacher_logits: Tensor, class_indices: Tensor) -> Tensor:
    """(N, K_teacher) -> (N, K): the customer's classes; a softmax over them is the renormalized teacher."""
    return torch.index_select(teacher_logits, 1, class_indices)
