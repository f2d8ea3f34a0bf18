"""What to say where the weights of a file do not fit a network."""

import re
from collections.abc import Collection, Mapping

import torch

from core.errors import TeacherLoadFailed
from core.networks.network import Network
from core.networks.weights.by_order import in_order
from core.networks.weights.subtree import Subtree

LISTED = 5
# The names of core.networks.projected, below whatever a training program put before them.
PROJECTORS = re.compile(r"(^|\.)projectors\.\d+\.")
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.")
# Other parametrizations of a layer, by the last word of its names: the way to plain weights.
PARAMETRIZED = {
    "weight_orig": "the weights are pruned: call torch.nn.utils.prune.remove on every pruned layer before saving",
    "weight_mask": "the weights are pruned: call torch.nn.utils.prune.remove on every pruned layer before saving",
    "weight_g": "the weights are in weight_norm form: call torch.nn.utils.remove_weight_norm before saving",
    "original0": "the layers are parametrized: call torch.nn.utils.parametrize.remove_parametrizations before saving",
    "original": "the layers are parametrized: call torch.nn.utils.parametrize.remove_parametrizations before saving",
    "zero_point": "the network is quantized: give the weights as they were before quantization",
    "_packed_params": "the network is quantized: give the weights as they were before quantization",
    "SCB": "the network is quantized (bitsandbytes): give the weights as they were before quantization",
    "lora_A": "these are LoRA factors: merge them into the network's weights before saving",
}


def refuse(
    network: Network,
    own: Mapping[str, torch.Tensor],
    found: Mapping[str, torch.Tensor],
    subtree: Subtree,
    *,
    source: str,
    pointer: str,
) -> None:
    """Raise TeacherLoadFailed with the names and shapes that do not fit, where any does not."""
    missing = [key for key in own if key not in found]
    unexpected = [key for key in found if key not in own]
    other = [key for key in own if key in found and found[key].shape != own[key].shape]
    if not (missing or unexpected or other):
        return
    head = f"{network.classifier_path}."
    outputs_differ = all(key.startswith(head) and found[key].shape[1:] == own[key].shape[1:] for key in other)
    if other and not missing and not unexpected and outputs_differ:
        told = f"{source} has {found[head + 'weight'].shape[0]} classes, {network.architecture} was built for "
        raise TeacherLoadFailed(f"{told}{network.num_classes}", pointer=pointer)
    shapes = [f"{key} {tuple(found[key].shape)} instead of {tuple(own[key].shape)}" for key in other]
    parts = [_some("missing", missing), _some("unexpected", unexpected), _some("of another shape", shapes)]
    where = f" under {subtree.prefix.removesuffix('.')}" if subtree.prefix else ""
    message = f"{source} does not fit {network.architecture}{where}: {'; '.join(part for part in parts if part)}"
    fits_in_order = len(missing) > len(own) / 2 and in_order(network, subtree.state) is not None
    if fits_in_order:
        message += f". All shapes fit in order, so these may be weights of {network.architecture} under other names"
    hint = ORDER_HINT if fits_in_order else _hint(network, source, missing, unexpected)
    raise TeacherLoadFailed(message, hint=hint, pointer=pointer)


ORDER_HINT = (
    "weights_map 'by_order', beside weights, takes the tensors in the order of the file; the accuracy of a teacher on "
    "your images then tells whether that is right"
)


def refuse_projected(
    source: str, architecture: str, found: Collection[str], own: Collection[str], pointer: str
) -> None:
    """Raise TeacherLoadFailed for weights of core.networks.projected in a network without projector."""
    if any(PROJECTORS.search(key) for key in found) and not any(PROJECTORS.search(key) for key in own):
        raise projected_as_plain(source, architecture, "<architecture>+simkd-<projector>", pointer)


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


def _some(what: str, keys: list[str]) -> str:
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return f"{len(keys)} {what} ({', '.join(keys[:LISTED])}{more})" if keys else ""


def _hint(network: Network, source: str, missing: list[str], unexpected: list[str]) -> str:
    head = f"{network.classifier_path}."
    if match := SHARD.search(source):
        return f"this is file {int(match[1])} of {int(match[2])}: name the index file or the folder that holds them all"
    for key in unexpected:
        for word in key.split("."):
            if word in PARAMETRIZED:
                return PARAMETRIZED[word]
    is_projection = ["downsample" in key for key in missing if not key.startswith(head)]
    if network.architecture.startswith("cifar/resnet") and is_projection and all(is_projection) and len(unexpected) < 3:
        return f"the weights have parameter-free (option A) shortcuts: try {network.architecture}a"
    if missing and all(key.startswith(head) for key in missing):
        return (
            "the file holds an encoder without this network's classifier, such as one of self-supervised training; a "
            "teacher needs its classifier"
        )
    return "is it the right architecture? The names above are those of the file and of the network"
