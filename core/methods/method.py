"""What a method is: it declares what it needs, and gives named loss terms back. The training loop knows no method.

Shapes: N images, K classes, D width of the pooled features, C H W of a feature map.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.networks.network import Features, Network


@dataclass(frozen=True)
class Needs:
    """What a method asks of a job. The loop computes what is asked, once a batch, and nothing else."""

    teacher: Literal["none", "frozen", "training"] = "none"
    """frozen: read only. training: the method moves the teacher's weights itself and gives their optimizer group."""
    teacher_covers_classes: bool = False
    """The teacher's classes must include all of the customer's."""
    trajectory: bool = False
    """The teacher's own checkpoints, in order of training."""
    labels: bool = True
    target_images: bool = False
    """Unlabelled images of a second domain."""
    num_views: int = 1
    """Independent augmentations of each image."""
    teacher_logits: bool = False
    teacher_pooled: bool = False
    teacher_taps: tuple[int | str, ...] = ()
    """Feature maps of the teacher: indices into its tap points, or module paths."""
    student_taps: tuple[int | str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """The networks and classes a method works with. It is no module: the method's state dict holds the method's own
    parts alone.
    """

    student: Network
    teacher: Network | None
    class_indices: Tensor | None
    """int64 (K,): the customer's classes among the teacher's outputs; None where the teacher does not cover them."""
    num_classes: int
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class Batch:
    """One training batch on the device."""

    views: Tensor
    """float (N, 3, V, V) in [0, 1]; what student and teacher both see."""
    targets: Tensor
    """int64 (N,) classes, or float (N, K) rows that sum to 1 where images were mixed."""
    indices: Tensor
    """int64 (N,): which images of the training split."""
    teacher: Features | None = None
    """What `Needs` asks of a frozen teacher for `views`; logits over all the teacher's own classes."""
    more_views: tuple[Tensor, ...] = ()
    """Further views where `num_views` exceeds one."""
    target_views: Tensor | None = None
    """float (M, 3, V, V): images of the second domain."""


@dataclass(frozen=True)
class Update:
    """One optimizer step: the loop adds the terms, goes backward, clips, and steps the optimizer of `group`."""

    terms: dict[str, Tensor]
    logits: Tensor | None = None
    """(N, K) of the student, for train/top1."""
    group: str = "student"


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own share of the epochs and its own half of the training split."""

    name: str = "train"
    share: float = 1.0
    split: Literal["all", "first_half", "second_half"] = "all"


@dataclass(frozen=True)
class Moment:
    """Where the training stands: `fraction` of all steps done, in [0, 1)."""

    stage: Stage
    epoch: int
    step: int
    fraction: float


class Method(nn.Module):
    """One way to train a student. Learnable parts (adapters, projectors, memories) are submodules and buffers.

    A subclass sets `needs` and gives `terms`; the rest has defaults for methods with one optimizer and one stage.
    """

    needs: Needs = Needs()
    source: str = ""
    """Paper and how sure we are of the formula; shown on the model card."""
    rate_scales: Mapping[str, float] = MappingProxyType({})
    """What the learning rate is multiplied by, for groups where that is not 1."""

    def __init__(self, knobs: Any, setting: Setting) -> None:
        super().__init__()
        self.knobs = knobs
        self.setting = setting

    @classmethod
    def resolved(cls, knobs: Any) -> Any:
        """`knobs` without any `auto`."""
        return knobs

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """The weighted loss terms by name (scalars); the loss is their sum."""
        raise NotImplementedError

    def updates(self, batch: Batch) -> Iterator[Update]:
        """The optimizer steps of one batch, in order. After each `yield` the step has been taken."""
        student = self.setting.student.features(batch.views, self.needs.student_taps)
        yield Update(self.terms(student, batch), student.logits)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of each optimizer, by group name."""
        return {"student": [p for p in (*self.setting.student.parameters(), *self.parameters()) if p.requires_grad]}

    def stages(self) -> tuple[Stage, ...]:
        """The stages in order; their shares add up to 1."""
        return (Stage(),)

    def begin_stage(self, stage: Stage) -> None:
        """Called once as a stage begins, not after a resume: start a student anew. What a stage trains and what it
        leaves as it is belongs in `parameter_groups`, which is asked after a resume too."""

    def begin_epoch(self, moment: Moment) -> None:
        """Called before each epoch's first batch, also after a resume: swap a teacher, re-weigh a term."""

    def set_training_mode(self) -> None:
        """Put what learns into training mode; a frozen teacher stays in eval mode."""
        self.train()
        self.setting.student.train()

    def deployed(self) -> Network:
        """The network that is evaluated and exported, without the teacher; shares its parameters with this method."""
        return self.setting.student

    def label_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy with the (possibly mixed) labels, mean over N, in float32."""
        return functional.cross_entropy(logits.float(), batch.targets, label_smoothing=self.setting.label_smoothing)


def widen(values: Tensor) -> Tensor:
    """Half precision becomes float32, in which softmax, divergences and means are taken; float64 stays."""
    return values if values.dtype.itemsize >= 4 else values.float()


def select_classes(teacher_logits: Tensor, class_indices: Tensor) -> Tensor:
    """(N, K_teacher) -> (N, K): the customer's classes; a softmax over them is the renormalized teacher."""
    return torch.index_select(teacher_logits, 1, class_indices)
