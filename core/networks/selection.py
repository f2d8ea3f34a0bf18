"""A small network's first weights out of a large one of its family: weight selection (Xu et al., Initializing Models
with Larger Ones, ICLR 2024, arXiv 2311.18823), by its three steps.

Layers: those with the same name, which are the first of every stage. Components: tensors with the same name in both
networks, weights and statistics. Elements: of N in a dimension, those at floor(i N / n) for i = 0 .. n - 1. They are
evenly spaced and the same for all tensors with N and n, so that a layer reads the channels that the layer before it
writes.

Our additions: of the head, the rows of the customer's classes are taken if the teacher has them; tensors without a
counterpart keep their random weights; the student uses the teacher's normalization of images.
"""

from dataclasses import replace

import torch
from torch import Tensor

from core.errors import SpecInvalid
from core.networks.network import Network

# A student with a smaller share has little of what the teacher learned; then random weights are the better start.
LEAST_SHARE = 0.5
# A student with this share is of the teacher's family. Layers are counted too: a plain VGG has most of its weights in
# its first dense layer, while its convolutions have other names.
FAMILY_SHARE = 0.9
STATISTICS = ("running_mean", "running_var")


def select_weights(student: Network, teacher: Network, class_indices: Tensor | None) -> None:
    """Fill the student from the teacher, in place.

    `class_indices`: int64 (K,), the student's classes among the teacher's outputs; None leaves its head as it is.
    Raises SpecInvalid, with the student unchanged, if less than half of it has a counterpart in the teacher.
    """
    share = share_from(student, teacher)
    if share < LEAST_SHARE:
        detail = (
            f"'teacher': only {share:.0%} of {student.architecture} has a counterpart in {teacher.architecture}, at "
            f"least {LEAST_SHARE:.0%} is needed; choose a student of the teacher's family, or other weights"
        )
        raise SpecInvalid([("/student/weights", detail)])
    fitting, own = _fitting(student, teacher), student.module.state_dict()
    if class_indices is not None and student.classifier_paths == teacher.classifier_paths:
        fitting |= _head(student, teacher, class_indices)
    with torch.no_grad():
        for name, elements in fitting.items():
            own[name].copy_(elements)
    student.with_input(replace(student.input, mean=teacher.input.mean, std=teacher.input.std))


def share_from(student: Network, teacher: Network) -> float:
    """The share of a student's weights that has a counterpart in the teacher; the head does not count."""
    return _shares(student, teacher)[0]


def is_kin(student: Network, teacher: Network) -> bool:
    """Whether a student is of the teacher's family: nearly all its weights and layers have a counterpart in the
    teacher.
    """
    return min(_shares(student, teacher)) >= FAMILY_SHARE


def _shares(student: Network, teacher: Network) -> tuple[float, float]:
    """The share of the student's weights, and the share of its tensors, that have a counterpart."""
    body, found = _body(student), _fitting(student, teacher)
    weights, fitting = (sum(value.numel() for value in each.values()) for each in (body, found))
    return fitting / max(weights, 1), len(found) / max(len(body), 1)


def _body(network: Network) -> dict[str, Tensor]:
    """Weights and statistics by name, without the head. Other buffers (masks, position tables) depend on the network's
    shape, not on training.
    """
    heads, parameters = _heads(network), {name for name, _ in network.module.named_parameters()}
    return {
        name: value
        for name, value in network.module.state_dict().items()
        if name not in heads and (name in parameters or name.endswith(STATISTICS))
    }


def _heads(network: Network) -> set[str]:
    return {f"{path}.{name}" for path in network.classifier_paths for name in ("weight", "bias")}


def _fitting(student: Network, teacher: Network) -> dict[str, Tensor]:
    """The selected elements of the teacher, by the names of the student's tensors that they fill."""
    theirs = _body(teacher)
    taken = {name: evenly_spaced(theirs[name], value.shape) for name, value in _body(student).items() if name in theirs}
    return {name: elements for name, elements in taken.items() if elements is not None}


def evenly_spaced(values: Tensor, shape: torch.Size) -> Tensor | None:
    """The elements of a tensor for a tensor with fewer channels. None if that has more channels, or another size in a
    dimension without channels: a kernel, the tokens of (1, tokens, width).
    """
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


def _head(student: Network, teacher: Network, class_indices: Tensor) -> dict[str, Tensor]:
    """The rows of these classes by tensor name; empty if the teacher's rows are narrower than the student's."""
    own, theirs = student.module.state_dict(), teacher.module.state_dict()
    rows = {
        name: theirs[name].index_select(0, class_indices.to(theirs[name].device))
        for name in _heads(student)
        if name in own and name in theirs
    }
    taken = {name: evenly_spaced(values, own[name].shape) for name, values in rows.items()}
    return {name: values for name, values in taken.items() if values is not None}
