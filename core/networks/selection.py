"""A small network's first weights out of a large one of its family: weight selection (Xu et al., Initializing Models
with Larger Ones, ICLR 2024, arXiv 2311.18823), by its three steps.

Layers: those of the same name, which are the first of every stage. Components: what has the same name in both, weights
and statistics alike. Elements: of N in any dimension those at floor(i N / n) for i = 0 .. n - 1, evenly spaced and the
same wherever N and n are, so that what reads a channel finds the one that was written.

Ours: of the head the customer's classes are taken where the teacher has them; what has no fitting counterpart keeps its
random weights; the student sees images as the teacher does.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from core.errors import SpecInvalid
from core.networks.network import Network

# A student that shares less has little of what the teacher learned, and a random one is the honest start.
LEAST_SHARE = 0.5


def select_weights(student: Network, teacher: Network, class_indices: Tensor | None) -> float:
    """Fill the student from the teacher, in place; the share of its weights (head aside) that came from there.

    `class_indices`: int64 (K,), the student's classes among the teacher's outputs; None leaves its head as it is.
    Raises SpecInvalid, with the student untouched, where less than half could come from there.
    """
    theirs = teacher.module.state_dict()
    heads = {f"{path}.{name}" for path in student.classifier_paths for name in ("weight", "bias")}
    own = {name: value for name, value in student.module.state_dict().items() if value.is_floating_point()}
    fitting = {
        name: elements
        for name, value in own.items()
        if name not in heads and name in theirs and (elements := evenly_spaced(theirs[name], value.shape)) is not None
    }
    share = _count(fitting.values()) / max(_count(value for name, value in own.items() if name not in heads), 1)
    if share < LEAST_SHARE:
        detail = (
            f"'teacher': only {share:.0%} of {student.architecture} has a counterpart in {teacher.architecture}, at "
            f"least {LEAST_SHARE:.0%} is needed; choose a student of the teacher's family, or other weights"
        )
        raise SpecInvalid([("/student/weights", detail)])
    if class_indices is not None and student.classifier_paths == teacher.classifier_paths:
        fitting |= _head(own, theirs, heads, class_indices)
    with torch.no_grad():
        for name, elements in fitting.items():
            own[name].copy_(elements)
    student.with_input(replace(student.input, mean=teacher.input.mean, std=teacher.input.std))
    return share


def evenly_spaced(values: Tensor, shape: torch.Size) -> Tensor | None:
    """Of a tensor the elements for one of fewer channels; None where that has more, or another size in a dimension that
    holds no channels: a kernel, the tokens of (1, tokens, width)."""
    channels = (0, 2) if len(shape) == 3 else (0, 1)
    if values.dim() != len(shape):
        return None
    for dim, (there, wanted) in enumerate(zip(values.shape, shape, strict=True)):
        if there < wanted or (there > wanted and dim not in channels):
            return None
        if there > wanted:
            places = torch.arange(wanted, device=values.device) * there // wanted
            values = values.index_select(dim, places)
    return values


def _head(
    own: dict[str, Tensor], theirs: dict[str, Tensor], heads: set[str], class_indices: Tensor
) -> dict[str, Tensor]:
    """The rows of these classes, by name of the tensor; nothing where a row is narrower than the student's."""
    rows = {name: theirs[name].index_select(0, class_indices.to(theirs[name].device)) for name in heads if name in own}
    taken = {name: evenly_spaced(values, own[name].shape) for name, values in rows.items()}
    return {name: values for name, values in taken.items() if values is not None}


def _count(values: Iterable[Tensor]) -> int:
    return sum(value.numel() for value in values)
