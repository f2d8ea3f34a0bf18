"""Which classes a teacher answers under each other's names: its class names are in another order than its outputs."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.events import JobWarning
from core.teachers import warning_codes

LEAST_IMAGES = 4  # of an exchange, all its classes together: fewer may be chance
LISTED = 3


def confused_with(answers: Tensor, labels: Tensor, num_classes: int) -> dict[int, int]:
    """Wrong answers that most images of a class get: class -> answer, for classes where more than half get the same.

    `answers` and `labels` are int64 (N,) over `num_classes`. A class without images is left out.
    """
    counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    counts.index_put_((labels.cpu(), answers.cpu()), torch.ones(len(labels), dtype=torch.int64), accumulate=True)
    most, answer = counts.max(dim=1)
    is_majority = (2 * most > counts.sum(dim=1)) & (answer != torch.arange(num_classes))
    return {int(label): int(answer[label]) for label in is_majority.nonzero().flatten()}


def exchanged(answers: Tensor, labels: Tensor, num_classes: int) -> list[tuple[int, ...]]:
    """Groups of classes that are answered in a circle: (0, 2) where 0 is answered as 2 and 2 as 0.

    Only whole circles count: similar classes are confused in one direction, exchanged names in a permutation.
    """
    answer_of = confused_with(answers, labels, num_classes)
    circles: list[tuple[int, ...]] = []
    left = set(answer_of)
    while left:
        path = [min(left)]
        while answer_of.get(path[-1], -1) in left - set(path):
            path.append(answer_of[path[-1]])
        left -= set(path)
        if answer_of.get(path[-1]) in path:
            circles.append(tuple(path[path.index(answer_of[path[-1]]) :]))
    return [circle for circle in circles if int(torch.isin(labels.cpu(), torch.tensor(circle)).sum()) >= LEAST_IMAGES]


def exchanged_warning(answers: Tensor, labels: Tensor, classes: Sequence[str]) -> JobWarning | None:
    """A warning that names the exchanged classes; None where there are none."""
    circles = exchanged(answers, labels, len(classes))
    if not circles:
        return None
    pairs = [(place, circle[(at + 1) % len(circle)]) for circle in circles for at, place in enumerate(circle)]
    return JobWarning(
        code=warning_codes.CLASSES_EXCHANGED,
        message=f"the teacher gives most images of some classes the name of another, in a circle: "
        f"{_told(pairs, classes)}. Its class names seem to be in another order than its outputs",
        hint="put teacher.classes in the order of the teacher's outputs",
        count=len(pairs),
    )


def told_confusions(answers: Tensor, labels: Tensor, classes: Sequence[str]) -> str:
    """Which class most images of each wrong class are taken for, in words; "" where no answer has a majority."""
    return _told(list(confused_with(answers, labels, len(classes)).items()), classes)


def _told(pairs: Sequence[tuple[int, int]], classes: Sequence[str]) -> str:
    more = f" and {len(pairs) - LISTED} more" if len(pairs) > LISTED else ""
    return ", ".join(f"{classes[label]!r} as {classes[answer]!r}" for label, answer in pairs[:LISTED]) + more
