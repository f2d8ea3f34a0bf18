"""Whether the weights of a file fit a network, and what to say where they do not."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from core.errors import TeacherLoadFailed
from core.events import JobWarning
from core.networks.network import Network
from core.networks.weights import extras, misfit
from core.networks.weights.by_order import by_order_warning, in_order
from core.networks.weights.subtree import Subtree, current_names, find_subtree
from core.spec.teacher import WeightsMap

COUNTER = "num_batches_tracked"
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Fitted:
    """A state dict under the network's own names, whole and of the right shapes, and what to tell a person."""

    state: dict[str, torch.Tensor]
    warnings: tuple[JobWarning, ...] = ()


def fit(
    network: Network,
    state: Mapping[str, torch.Tensor],
    *,
    source: str,
    pointer: str,
    weights_map: WeightsMap = "by_name",
    strict_head: bool = True,
) -> Fitted:
    """The tensors of a file for the network, by their names or in their order; raises TeacherLoadFailed otherwise.

    With `strict_head` False a classifier that is missing or of another size is replaced by the network's own values.
    `source` and `pointer` name the file in the errors.
    """
    own = network.module.state_dict()
    misfit.refuse_projected(source, network.architecture, state, own, pointer)
    subtree = find_subtree(network, state)
    ignored: tuple[str, ...] = ()
    if weights_map == "by_order":
        found = _taken_in_order(network, state, source)
    else:
        found, ignored = extras.without_extras(renamed(network, subtree), own)
    if not strict_head:
        found = _without_other_head(network, found, own)
    found = _completed(network, own, found, strict_head)
    misfit.refuse(network, own, found, subtree, source=source, pointer=pointer)
    found = {key: _plain(key, value, own[key], source, pointer) for key, value in found.items()}
    if weights_map == "by_order":
        return Fitted(found, (by_order_warning(source),))
    return Fitted(found, (*extras.rivals_warning(source, subtree), *extras.ignored_warning(source, ignored)))


def load_state(
    network: Network,
    state: Mapping[str, torch.Tensor],
    *,
    source: str,
    pointer: str,
    weights_map: WeightsMap = "by_name",
    strict_head: bool = True,
) -> tuple[JobWarning, ...]:
    """Load all of a state dict as `fit` finds it, or nothing; returns what a person should know of it."""
    fitted = fit(network, state, source=source, pointer=pointer, weights_map=weights_map, strict_head=strict_head)
    network.module.load_state_dict(fitted.state)
    return fitted.warnings


def _without_other_head(
    network: Network, found: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The state without a head of another make in the classifier's place: fc.0 and fc.2 where the network has fc."""
    heads = tuple(f"{path}." for path in network.classifier_paths)
    return {key: value for key, value in found.items() if key in own or not key.startswith(heads)}


def _completed(
    network: Network, own: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], strict_head: bool
) -> dict[str, torch.Tensor]:
    """The state with the network's own values for what a file may lack."""
    head = {key for path in network.classifier_paths for key in (f"{path}.weight", f"{path}.bias")} & own.keys()
    # Only a momentum of None reads the counters of batches; older files lack them.
    lacking = {key for key in own if key.endswith(COUNTER) and (key not in found or found[key].shape != own[key].shape)}
    if not strict_head and any(key not in found or found[key].shape != own[key].shape for key in head):
        lacking |= head
    return {**found, **{key: own[key] for key in lacking}}


def _taken_in_order(network: Network, state: Mapping[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    found = in_order(network, state)
    if found is None:
        raise TeacherLoadFailed(
            f"{source} does not fit {network.architecture} in order: the shapes of its {len(state)} tensors are not "
            "those of the network, one by one",
            hint="leave weights_map out to see which names and shapes differ",
            pointer="/teacher/weights_map",
        )
    return found


def num_classes_of(
    network: Network, state: Mapping[str, torch.Tensor], weights_map: WeightsMap = "by_name"
) -> int | None:
    """The number of outputs of the classifier in the state dict, or None where it has none that is found."""
    found = in_order(network, state) if weights_map == "by_order" else renamed(network, find_subtree(network, state))
    weight = (found or {}).get(f"{network.classifier_path}.weight")
    return int(weight.shape[0]) if weight is not None and weight.dim() > 0 else None


def renamed(network: Network, subtree: Subtree) -> dict[str, torch.Tensor]:
    """The network's part of a file without losses and counters, its classifier under the network's name for it."""
    own = network.module.state_dict()
    state = extras.without_losses(current_names(network, subtree.state), own)
    return _head_renamed(network, state, set(own))


def _head_renamed(network: Network, state: dict[str, torch.Tensor], own: set[str]) -> dict[str, torch.Tensor]:
    """Where only the classifier is missing and only one layer is left over, that layer is the classifier."""
    path = network.classifier_path
    missing, extra = own - set(state), set(state) - own
    missing = {key for key in missing if not key.endswith(COUNTER)}
    names = {key.rpartition(".")[0] for key in extra}
    if len(names) != 1 or missing != {key for key in own if key.rpartition(".")[0] == path}:
        return state
    other = names.pop()
    return {(path + key[len(other) :] if key in extra else key): value for key, value in state.items()}


def _plain(key: str, value: torch.Tensor, own: torch.Tensor, source: str, pointer: str) -> torch.Tensor:
    """A dense tensor of finite numbers that the network can take; raises TeacherLoadFailed, naming the key."""
    if value.is_meta and not own.is_meta:
        raise TeacherLoadFailed(f"{source}: {key} has a shape and no values (a meta tensor)", pointer=pointer)
    if value.layout != torch.strided:
        raise TeacherLoadFailed(f"{source}: {key} is a sparse tensor; save it as a dense one", pointer=pointer)
    if not own.is_floating_point():
        return value
    if not value.is_floating_point():
        raise TeacherLoadFailed(
            f"{source}: {key} holds {_dtype(value)} where {_dtype(own)} is expected: quantized or packed weights",
            hint="give the weights as they were before quantization",
            pointer=pointer,
        )
    value = value if value.dtype in FLOATS else value.float()
    if not value.is_meta and not torch.isfinite(value).all():
        raise TeacherLoadFailed(f"{source}: {key} holds NaN or infinite values", pointer=pointer)
    return value


def _dtype(value: torch.Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
