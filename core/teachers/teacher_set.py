"""The trained teachers of a job, loaded, checked, and on the device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from core.data.augment import Augmenter
from core.data.dataset import Split
from core.errors import InternalError
from core.networks.network import Network
from core.networks.teacher import Teacher
from core.teachers.logits import TeacherLogits


@dataclass(frozen=True)
class TeacherSet:
    """All teachers of a job. `first` is `teacher` of the spec, None for a job without; `others` are `more_teachers`."""

    first: Teacher | None = None
    class_indices: Tensor | None = None
    """int64 (K,): the customer's classes among the first teacher's outputs; None where it does not cover them."""
    logits: TeacherLogits | None = None
    """The first teacher's logits for whole splits; None where it does not cover the customer's classes."""
    validation_top1: float | None = None
    """Of the first teacher on the validation split, as a fraction; None where it does not cover the classes."""
    others: tuple[Teacher, ...] = ()
    other_class_indices: tuple[Tensor | None, ...] = ()
    checkpoints: tuple[Callable[[], Mapping[str, Tensor]], ...] = ()
    """The first teacher's state dicts in the order of its training, the finished one last; empty unless asked for."""

    @property
    def network(self) -> Network | None:
        """The first teacher's network."""
        return self.first.network if self.first is not None else None

    @property
    def required(self) -> Network:
        """The first teacher's network; raises InternalError for a job without one."""
        if self.first is None:
            raise InternalError("a teacher is used in a job that has none")
        return self.first.network

    def split_logits(self, split: Split, augmenter: Augmenter) -> Tensor | None:
        """(N, K) float32 on the CPU: the first teacher's logits over the customer's classes for the test views of a
        whole split; None where it does not cover the classes."""
        return self.logits.of_split(split.images, augmenter) if self.logits is not None else None
