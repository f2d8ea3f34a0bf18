"""Checks the teacher: whether it has the job's classes, and whether it recognizes them better than chance."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from core.data.augment import Augmenter
from core.data.dataset import Dataset, Split
from core.errors import LabelSpaceMismatch, TeacherLoadFailed, near_misses
from core.events import JobWarning
from core.networks.facts import measure_network
from core.networks.network import Network
from core.networks.teacher import Teacher
from core.spec import TeacherSpec
from core.spec.teacher import WeightsMap
from core.system.device import Arithmetic
from core.teachers import warning_codes
from core.teachers.confusion import exchanged_warning, told_confusions
from core.teachers.logits import TeacherLogits

MOST_IMAGES = 1000  # enough to tell a teacher from chance
LEAST_IMAGES = 64
AFFORDABLE_MACS = 1e11
AT_ONCE = 32
LISTED = 5


def class_indices(teacher: Teacher, classes: Sequence[str], *, covers: bool) -> Tensor | None:
    """The indices of the job's classes among the teacher's outputs, int64 (K,); None if the teacher lacks some of them.

    Raises LabelSpaceMismatch, which names the missing classes, if the method needs them all (`covers`).
    """
    known = {name: index for index, name in enumerate(teacher.classes or ())}
    missing = [name for name in classes if name not in known]
    if not missing:
        return torch.tensor([known[name] for name in classes])
    if not covers:
        return None
    if teacher.classes is None:
        raise LabelSpaceMismatch(
            f"the teacher has {teacher.network.num_classes} outputs and no class names, and this "
            f"method compares outputs class by class",
            hint="give teacher.classes, the names in the order of its outputs; or use method pkd, which needs none",
            pointer="/teacher/classes",
        )
    raise LabelSpaceMismatch(
        f"the teacher lacks {len(missing)} of the {len(classes)} classes: {_nearest(missing, known)}",
        hint="rename classes with dataset.class_map, correct teacher.classes, or use method pkd, which "
        "needs no common classes",
        pointer="/dataset/classes",
    )


def coverage_warning(teacher: Teacher, classes: Sequence[str], weights_map: WeightsMap) -> JobWarning | None:
    """A warning where the teacher cannot be checked although it may know the classes; None where it covers them.

    None as well for a teacher of other classes altogether: that is common where only feature maps are compared.
    """
    if teacher.classes is None:
        return JobWarning(
            code=warning_codes.CLASSES_UNKNOWN,
            message=f"the teacher has {teacher.network.num_classes} outputs and no class names: its accuracy on the "
            "dataset is neither checked nor reported"
            + (
                ", and nothing verifies that weights_map 'by_order' put its tensors in their places"
                if weights_map == "by_order"
                else ""
            ),
            hint="give teacher.classes, the names in the order of its outputs",
        )
    missing = [name for name in classes if name not in teacher.classes]
    if not 0 < len(missing) < len(classes):
        return None
    return JobWarning(
        code=warning_codes.CLASSES_MISSING,
        message=f"the teacher lacks {len(missing)} of the {len(classes)} classes: {_nearest(missing, teacher.classes)}"
        ". Its accuracy on the dataset is neither checked nor reported",
        hint="rename classes with dataset.class_map, or correct teacher.classes",
        count=len(missing),
    )


def _nearest(missing: Sequence[str], known: Collection[str]) -> str:
    """The first few missing names, each with the name of the teacher that looks most like it."""
    guesses = {name: near_misses(name, known, most=1) for name in missing[:LISTED]}
    return ", ".join(f"{name!r}" + (f" (nearest: {near[0]!r})" if near else "") for name, near in guesses.items())


@dataclass(frozen=True)
class Checked:
    """What a teacher is worth on the customer's images."""

    validation_top1: float
    """Over the customer's classes, as a fraction."""
    warning: JobWarning | None
    """Classes that it answers under each other's names."""


@dataclass(frozen=True)
class _Answers:
    """The teacher's answers and the true classes of some images, int64 (N,) each over the customer's classes."""

    answers: Tensor
    labels: Tensor

    @property
    def top1(self) -> float:
        return (self.answers == self.labels).double().mean().item()

    def and_also(self, others: "_Answers") -> "_Answers":
        return _Answers(torch.cat([self.answers, others.answers]), torch.cat([self.labels, others.labels]))


def check_teacher(
    spec: TeacherSpec,
    network: Network,
    logits: TeacherLogits,
    dataset: Dataset,
    augmenter: Augmenter,
    arithmetic: Arithmetic,
) -> Checked:
    """The teacher's top-1 on validation images, restricted to the customer's classes, and a warning if its class names
    seem to be exchanged. If there are too many images for that, some of them are used, in the training's arithmetic.

    Raises TeacherLoadFailed if it is within two standard errors of guessing on validation and training images together
    (few validation images alone could not show it): such weights belong to another architecture, to other classes or to
    another order of the classes.
    """
    most = _affordable(network)
    answered = partial(_answered, logits, augmenter=augmenter, arithmetic=arithmetic)
    validation = seen = answered(dataset.validation, _spread(len(dataset.validation.labels), most))
    chance = 1 / len(dataset.classes)
    for train in _portions(len(dataset.train.labels), most - len(validation.labels)):
        if seen.top1 > chance + 2 * _margin(chance, len(seen.labels)):
            break  # the result is clear without further images
        seen = seen.and_also(answered(dataset.train, train))
    if seen.top1 <= chance + _margin(chance, len(seen.labels)):
        raise _no_better_than_chance(spec, seen, dataset.classes)
    return Checked(validation.top1, exchanged_warning(seen.answers, seen.labels, dataset.classes))


def _no_better_than_chance(spec: TeacherSpec, seen: _Answers, classes: Sequence[str]) -> TeacherLoadFailed:
    confused = told_confusions(seen.answers, seen.labels, classes)
    return TeacherLoadFailed(
        f"the teacher scores {seen.top1:.1%} on {len(seen.labels)} of the customer's images, where guessing among "
        f"{len(classes)} classes scores {1 / len(classes):.1%}: {spec.weights or spec.architecture} does not know "
        "these classes" + (f". It answers {confused}" if confused else ""),
        hint="check the weights, the architecture, and that teacher.classes is in the order of the teacher's outputs",
        pointer="/teacher",
    )


def _affordable(network: Network) -> int:
    """The number of images on which the teacher can be checked in about a second on a small machine."""
    return max(LEAST_IMAGES, min(MOST_IMAGES, int(AFFORDABLE_MACS / measure_network(network).macs)))


def _spread(count: int, most: int) -> Tensor:
    """At most `most` indices, evenly spread over `count`."""
    return torch.linspace(0, count - 1, max(0, min(most, count))).long()


def _portions(count: int, most: int) -> Sequence[Tensor]:
    """Spread indices in portions of AT_ONCE; each portion is spread over the whole range too."""
    spread = _spread(count, most)
    order = torch.randperm(len(spread), generator=torch.Generator().manual_seed(0))
    return spread[order].split(AT_ONCE) if len(spread) else ()


def _answered(
    teacher: TeacherLogits, split: Split, indices: Tensor, *, augmenter: Augmenter, arithmetic: Arithmetic
) -> _Answers:
    """What the teacher answers on those images of a split."""
    if len(indices) == len(split.labels):
        # In float32, because validation of the students needs the same logits in float32.
        logits = teacher.of_split(split.images, augmenter)[indices]
    else:
        logits = teacher.logits(split.images[indices], augmenter, arithmetic)
    return _Answers(logits.argmax(dim=1).cpu(), split.labels[indices].cpu())


def _margin(chance: float, count: int) -> float:
    """How far above chance a teacher must score: two standard errors of guessing, and more than untrained networks
    reach whose random features respond to brightness. These reach at most twice chance, or with few classes a quarter
    of the distance from chance to 100%.
    """
    return max(2 * math.sqrt(chance * (1 - chance) / count), min(chance, (1 - chance) / 4))
