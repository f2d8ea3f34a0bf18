"""Weights whose names mean nothing here, taken in the order of the file: converted or renamed checkpoints.

Programs that convert a checkpoint keep the order of its layers and rename them. Shapes must agree one by one, and
where both names end in a known word (`weight`, `bias`, `running_mean`, `running_var`) these must agree too: the
parameters of a batch norm all have the same shape.
"""

import re
from collections.abc import Iterator, Mapping

import torch

from core.events import JobWarning
from core.networks.network import Network
from core.networks.weights import warning_codes

# What stands last in a name, in the words of torch. Keras: gamma, beta, moving_mean, moving_variance.
LEAVES = {
    "weight": "weight", "bias": "bias", "running_mean": "running_mean", "running_var": "running_var",
    "gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip


def in_order(network: Network, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor] | None:
    """The tensors under the network's names, one by one; None where their number, shapes or kinds differ.

    The classifier may have another number of outputs than the network. A file that keeps its names sorted, as
    safetensors does, has lost the order: then numbers in the names are tried as numbers.
    """
    own = {key: value for key, value in network.module.state_dict().items() if not key.endswith("num_batches_tracked")}
    for part in _parts(state):
        given = {key: value for key, value in part.items() if value.dim() > 0}
        if len(given) != len(own):
            continue
        for names in (list(given), sorted(given, key=_natural)):
            if all(_agree(network, key, own[key], name, given[name]) for key, name in zip(own, names, strict=True)):
                return {key: given[name] for key, name in zip(own, names, strict=True)}
    return None


def by_order_warning(source: str) -> JobWarning:
    """What is told of weights that were taken in order: shapes cannot prove that they are in the right places."""
    return JobWarning(
        code=warning_codes.BY_ORDER,
        message=f"the tensors of {source} were taken in the order of the file, because weights_map is 'by_order'",
        hint="compare the teacher's validation accuracy with what you know of it: a wrong order lowers it",
    )


def _parts(state: Mapping[str, torch.Tensor]) -> Iterator[Mapping[str, torch.Tensor]]:
    """All of a file, then what is below each first word: `state_dict` beside `optimizer`."""
    yield state
    for first in dict.fromkeys(key.partition(".")[0] for key in state):
        yield {key: value for key, value in state.items() if key.partition(".")[0] == first}


def _agree(network: Network, key: str, own: torch.Tensor, name: str, value: torch.Tensor) -> bool:
    theirs, ours = (LEAVES.get(each.rpartition(".")[2]) for each in (name, key))
    if theirs is not None and ours is not None and theirs != ours:
        return False
    if key.rpartition(".")[0] in network.classifier_paths:
        return value.dim() == own.dim() and value.shape[1:] == own.shape[1:]
    return value.shape == own.shape


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts `block.2` before `block.10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
