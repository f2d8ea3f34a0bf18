"""Checks the teacher: whether it has the job's classes, and whether it recognizes them better than chance."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from core.data.augment import Augmenter
from core.data.dataset import Dataset, Split
from core.errors import LabelSpaceMismatch, TeacherLoadFailed, near_misses
from core.networks.facts import measure_network
from core.networks.network import Network
from core.networks.teacher import Teacher
from core.spec import TeacherSpec
from core.system.device import Arithmetic
from core.teachers.logits import TeacherLogits

MOST_IMAGES = 1000  # enough to tell a teacher from chance
LEAST_IMAGES = 64
AFFORDABLE_MACS = 1e11
AT_ONCE = 32


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
    guesses = {name: near_misses(name, known, most=1) for name in missing[:5]}
    listed = ", ".join(f"{name!r}" + (f" (nearest: {near[0]!r})" if near else "") for name, near in guesses.items())
    raise LabelSpaceMismatch(
        f"the teacher lacks {len(missing)} of the {len(classes)} classes: {listed}",
        hint="rename classes with dataset.class_map, correct teacher.classes, or use method pkd, which "
        "needs no common classes",
        pointer="/dataset/classes",
    )


def check_teacher(
    spec: TeacherSpec,
    network: Network,
    logits: TeacherLogits,
    dataset: Dataset,
    augmenter: Augmenter,
    arithmetic: Arithmetic,
) -> float:
    """The teacher's top-1 on validation images, restricted to the customer's classes, as a fraction. If there
    are too many images for that, it is measured on some of them, in the training's arithmetic.

    Raises TeacherLoadFailed if it is within two standard errors of guessing on validation and training images together
    (few validation images alone could not show it): such weights belong to another architecture, to other classes or to
    another order of the classes.
    """
    most = _affordable(network)
    hits = partial(_hits, logits, augmenter=augmenter, arithmetic=arithmetic)
    validation = _spread(len(dataset.validation.labels), most)
    right = all_right = hits(dataset.validation, validation)
    chance = 1 / len(dataset.classes)
    for train in _portions(len(dataset.train.labels), most - len(right)):
        if _score(all_right) > chance + 2 * _margin(chance, len(all_right)):
            break  # the result is clear without further images
        all_right = torch.cat([all_right, hits(dataset.train, train)])
    count, score = len(all_right), _score(all_right)
    if score <= chance + _margin(chance, count):
        raise TeacherLoadFailed(
            f"the teacher scores {score:.1%} on {count} of the customer's images, where guessing among "
            f"{len(dataset.classes)} classes scores {chance:.1%}: "
            f"{spec.weights or spec.architecture} does not know these classes",
            hint="check the weights, the architecture, and that teacher.classes is in the order of the "
            "teacher's outputs",
            pointer="/teacher",
        )
    return _score(right)


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


def _score(right: Tensor) -> float:
    return right.double().mean().item()


def _hits(
    teacher: TeacherLogits, split: Split, indices: Tensor, *, augmenter: Augmenter, arithmetic: Arithmetic
) -> Tensor:
    """bool (len(indices),): which images of a split the teacher classifies correctly."""
    if len(indices) == len(split.labels):
        # In float32, because validation of the students needs the same logits in float32.
        logits = teacher.of_split(split.images, augmenter)[indices]
    else:
        logits = teacher.logits(split.images[indices], augmenter, arithmetic)
    return logits.argmax(dim=1) == split.labels[indices]


def _margin(chance: float, count: int) -> float:
    """How far above chance a teacher must score: two standard errors of guessing, and more than untrained networks
    reach whose random features respond to brightness. These reach at most twice chance, or with few classes a quarter
    of the distance from chance to 100%.
    """
    return max(2 * math.sqrt(chance * (1 - chance) / count), min(chance, (1 - chance) / 4))
