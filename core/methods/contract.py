"""What passes between a method and the training loop: needs, networks, batches, updates, stages.

Shapes: N images, K classes, D width of the pooled features, C H W of a feature map.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor

from core.evaluation.task import CLASSIFICATION, Classification
from core.networks.network import Features, Network

Provided = TypeVar("Provided")


def _provided(value: Provided | None, name: str) -> Provided:
    if value is None:
        raise RuntimeError(f"a method asks for what it has not declared as needed: there is no {name}")
    return value


@dataclass(frozen=True)
class Needs:
    """What a method asks the training loop to compute, once a batch. The loop computes nothing else.

    What a job must bring (a teacher, labels, checkpoints, images of a second domain) is written in the method's knobs:
    core.spec.knobs.Knobs.needs. A frozen teacher that is asked for nothing (no logits, pooled features or taps) is not
    run.
    """

    held_out: bool = False
    """Some validation images: MethodContext.held_out."""
    num_views: int = 1
    """Independent augmentations of each image."""
    more_views: Literal["same", "strong"] = "same"
    """How views after the first are augmented: as the job says, or with crops, flips, RandAugment and Cutout."""
    teacher_sees: Literal["first", "all"] = "first"
    """Which views the frozen teacher is run on; all: Batch.more_teacher."""
    teacher_batch_statistics: bool = False
    """Run the frozen teacher's batch norms on the batch's own statistics, as some papers' code did."""
    survey: bool = False
    """Method.survey is given the teacher's view of every training image before the first step."""
    teacher_logits: bool = False
    teacher_pooled: bool = False
    teacher_taps: tuple[int | str, ...] = ()
    """Feature maps of the teacher: indices into its tap points, or module paths."""
    student_taps: tuple[int | str, ...] = ()

    @property
    def teacher_output(self) -> bool:
        """Whether a frozen teacher is run on every batch."""
        return bool(self.teacher_logits or self.teacher_pooled or self.teacher_taps)


@dataclass(frozen=True)
class MethodContext:
    """The networks and classes a method works with. It is no module: the method's state dict holds the method's own
    parts alone.
    """

    student: Network
    teacher: Network | None
    class_indices: Tensor | None
    """int64 (K,): the customer's classes among the teacher's outputs; None where the teacher does not cover them."""
    num_classes: int
    classes: tuple[str, ...] = ()
    """The customer's classes by name, in the order of the student's outputs."""
    task: Classification = CLASSIFICATION
    """What the labels mean; it gives the loss against them."""
    label_smoothing: float = 0.0
    num_train: int = 0
    """Images of the training split: the range of Batch.indices."""
    more_teachers: tuple[Network, ...] = ()
    more_class_indices: tuple[Tensor | None, ...] = ()
    anchors: tuple[Callable[[], Mapping[str, Tensor]], ...] = ()
    """The teacher's checkpoints in order of its training, the finished teacher last: each gives a state dict of
    `teacher`."""
    held_out: Tensor | None = None
    """float (M, 3, V, V): test views of up to 1000 validation images."""

    @property
    def required_teacher(self) -> Network:
        """The teacher of a method whose knobs require one; raises RuntimeError where there is none."""
        return _provided(self.teacher, "teacher")

    @property
    def required_classes(self) -> Tensor:
        """`class_indices`, for a method that requires a teacher of the customer's classes; raises RuntimeError where
        the teacher does not cover them.
        """
        return _provided(self.class_indices, "teacher that covers the customer's classes")

    @property
    def required_more_classes(self) -> tuple[Tensor, ...]:
        """`more_class_indices`, likewise of teachers that must cover the customer's classes."""
        return tuple(_provided(each, "further teacher that covers the classes") for each in self.more_class_indices)

    @property
    def required_held_out(self) -> Tensor:
        """`held_out`, for a method with `Needs.held_out`; raises RuntimeError where there are no such images."""
        return _provided(self.held_out, "held-out image")


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
    more_teacher: tuple[Features, ...] = ()
    """For `more_views`, where the teacher sees all."""
    other_teachers: tuple[Features, ...] = ()
    """What the further teachers see in `views`, in the order of MethodContext.more_teachers."""
    target_views: Tensor | None = None
    """float (N, 3, V, V): augmented images of the second domain."""
    other_half: "Batch | None" = None
    """Where the stage's split is `halves`: a batch of the second half, with its own teacher's output."""

    @property
    def required_teacher(self) -> Features:
        """`teacher`, for a method whose `Needs` ask for an output of it; raises RuntimeError where none was run."""
        return _provided(self.teacher, "output of a teacher")

    @property
    def required_target_views(self) -> Tensor:
        """`target_views`, for a method that requires target images; raises RuntimeError where there are none."""
        return _provided(self.target_views, "image of the second domain")

    @property
    def required_other_half(self) -> "Batch":
        """`other_half`, for a stage whose split is `halves`; raises RuntimeError in any other."""
        return _provided(self.other_half, "other half")


@dataclass(frozen=True)
class Update:
    """One optimizer step: the loop adds the terms, goes backward, clips, and steps the optimizer of `group`."""

    terms: dict[str, Tensor]
    logits: Tensor | None = None
    """(N, K) of the student, for train/top1."""
    group: str = "student"

    @property
    def loss(self) -> Tensor:
        """The sum of the terms (a scalar), in float32 at least."""
        return torch.stack([term.float() if term.dtype.itemsize < 4 else term for term in self.terms.values()]).sum()


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own share of the epochs, its own half of the training split, and new optimizers.

    Shares may add up to more than 1: the training then takes that many times the job's epochs.
    """

    name: str = "train"
    share: float = 1.0
    split: Literal["all", "first_half", "second_half", "halves"] = "all"
    """halves: batches of the first half, each with one of the second in Batch.other_half."""
    restarts_schedule: bool = False
    """The learning rate runs through its whole schedule within this stage."""
    prepares: bool = False
    """What it trains is not yet the student that comes out: that is neither validated nor averaged, nor ended early."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where the training stands: `fraction` of all steps done, in [0, 1)."""

    stage: Stage
    epoch: int
    step: int
    fraction: float


@dataclass(frozen=True)
class Products:
    """What a training found besides the deployed network."""

    shares: dict[str, dict[str, float]] | None = None
    """Group of the teacher's layers -> layer -> its share of what the student learned from. Each group sums to 1."""
    teacher: bytes | None = None
    """The teacher as the training changed it, in safetensors format."""
