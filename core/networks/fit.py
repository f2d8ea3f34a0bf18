"""Whether a state dict fits a network, and what to say where it does not."""

import torch

from core.errors import TeacherLoadFailed
from core.networks.libraries import library
from core.networks.network import Network

# What wrappers of training programs put before the names: DataParallel, torch.compile, Lightning and the like.
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "net.", "network.", "student.")
LISTED = 5


def fit(
    network: Network, state: dict[str, torch.Tensor], *, strict_head: bool, source: str, pointer: str
) -> dict[str, torch.Tensor]:
    """The state under the network's own names, whole and of the right shapes; raises TeacherLoadFailed otherwise.

    With `strict_head` False a classifier of another size is replaced by the network's own values.
    """
    own = network.module.state_dict()
    found = renamed(network, state)
    if any(key.startswith("projectors.") for key in found) and not any(key.startswith("projectors.") for key in own):
        raise projected_as_plain(source, network.architecture, "<architecture>+simkd-<projector>", pointer)
    head = {key for path in network.classifier_paths for key in (f"{path}.weight", f"{path}.bias")}
    for key in own:
        if key not in found and key.endswith("num_batches_tracked"):
            found[key] = own[key]  # only a momentum of None reads it; older files lack it
    misfits = {key for key in head & found.keys() & own.keys() if found[key].shape != own[key].shape}
    if misfits and not strict_head:
        found |= {key: own[key] for key in misfits}
    _refuse_misfit(network, own, found, source, pointer)
    _refuse_nonfinite(found, source, pointer)
    return found


def projected_as_plain(source: str, architecture: str, told: str, pointer: str) -> TeacherLoadFailed:
    """The error for weights of core.networks.projected in a network without projector: its own classifier would know
    nothing."""
    return TeacherLoadFailed(
        f"{source} holds a student that method simkd trained: an encoder without a classifier of its own, a projector "
        f"and its teacher's classifier. It cannot be a plain {architecture}",
        hint=f"write its whole architecture, {told}, as the job's result says it; or leave the architecture out where "
        "Retort wrote the file",
        pointer=pointer,
    )


def num_classes_of(network: Network, state: dict[str, torch.Tensor]) -> int | None:
    """The number of outputs of the classifier in the state dict, or None where it has none under the network's name."""
    weight = renamed(network, state).get(f"{network.classifier_path}.weight")
    return int(weight.shape[0]) if weight is not None and weight.dim() > 0 else None


def renamed(network: Network, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state without wrapper prefixes, and its classifier under the network's name for it."""
    own = network.module.state_dict()
    stripped = _stripped(state, set(own))
    prefix, _, name = network.architecture.partition("/")
    if prefix == "torchvision":
        stripped = library(prefix).current_names(name, stripped)
    return _head_renamed(network, stripped, set(own))


def _stripped(state: dict[str, torch.Tensor], own: set[str]) -> dict[str, torch.Tensor]:
    """Take prefixes off while all keys share one and the network's own names do not start with it."""
    while state:
        prefix = next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None)
        if prefix is None or any(key.startswith(prefix) for key in own & set(state)):
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return dict(state)


def _head_renamed(network: Network, state: dict[str, torch.Tensor], own: set[str]) -> dict[str, torch.Tensor]:
    """Where only the classifier is missing and only one layer is left over, that layer is the classifier."""
    path = network.classifier_path
    missing, extra = own - set(state), set(state) - own
    missing = {key for key in missing if not key.endswith("num_batches_tracked")}
    names = {key.rpartition(".")[0] for key in extra}
    if len(names) != 1 or missing != {key for key in own if key.rpartition(".")[0] == path}:
        return state
    other = names.pop()
    return {(path + key[len(other) :] if key in extra else key): value for key, value in state.items()}


def _refuse_misfit(
    network: Network, own: dict[str, torch.Tensor], found: dict[str, torch.Tensor], source: str, pointer: str
) -> None:
    missing = [key for key in own if key not in found]
    unexpected = [key for key in found if key not in own]
    other = [key for key in own if key in found and found[key].shape != own[key].shape]
    if not (missing or unexpected or other):
        return
    head = f"{network.classifier_path}."
    if other and not missing and not unexpected and all(key.startswith(head) for key in other):
        told = f"{source} has {found[head + 'weight'].shape[0]} classes, {network.architecture} was built for "
        raise TeacherLoadFailed(f"{told}{network.num_classes}", pointer=pointer)
    shapes = [f"{key} {tuple(found[key].shape)} instead of {tuple(own[key].shape)}" for key in other]
    parts = [_some("missing", missing), _some("unexpected", unexpected), _some("of another shape", shapes)]
    message = f"{source} does not fit {network.architecture}: {'; '.join(part for part in parts if part)}"
    raise TeacherLoadFailed(message, hint=_hint(network, missing, unexpected), pointer=pointer)


def _some(what: str, keys: list[str]) -> str:
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return f"{len(keys)} {what} ({', '.join(keys[:LISTED])}{more})" if keys else ""


def _hint(network: Network, missing: list[str], unexpected: list[str]) -> str:
    is_projection = ["downsample" in key for key in missing if not key.startswith(f"{network.classifier_path}.")]
    if (
        network.architecture.startswith("cifar/resnet")
        and is_projection
        and all(is_projection)
        and len(unexpected) <= 2
    ):
        return f"the weights have parameter-free (option A) shortcuts: try {network.architecture}a"
    return "is it the right architecture? The names above are those of the file and of the network"


def _refuse_nonfinite(found: dict[str, torch.Tensor], source: str, pointer: str) -> None:
    for key, value in found.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise TeacherLoadFailed(f"{source}: {key} holds NaN or infinite values", pointer=pointer)
