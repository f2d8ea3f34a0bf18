"""Tensors of a file that the network does not have and does not need."""

import re
from collections.abc import Collection, Iterator, Mapping

import torch

from core.events import JobWarning
from core.networks.weights import warning_codes
from core.networks.weights.subtree import Subtree

LISTED = 3
# Modules that training programs keep beside the layers: class weights of a loss, the state of a metric, counters.
LOSS_WORDS = frozenset({
    "criterion", "criteria", "criterions", "loss", "losses", "metric", "metrics", "acc", "accuracy", "auroc", "f1",
    "confmat", "mixup", "cutmix", "averaged", "initted", "queue", "ptr", "temperature",
})  # fmt: skip
# Buffers that profilers add to every layer (thop), and tables that timm's attention computes anew.
COUNTERS = frozenset({"total_ops", "total_params", "relative_position_index", "attn_mask", "relative_coords_table"})
HEAD_WORDS = frozenset({
    "head", "heads", "classifier", "classifiers", "fc", "aux", "auxiliary", "proj", "projection", "projector",
    "predictor", "prediction", "prototypes", "linear", "rotation", "rot", "jigsaw", "contrast",
})  # fmt: skip
MOST_HEAD_DIMENSIONS = 2  # a layer of a classifier; convolutions are layers that the network would have to run


def without_losses(state: Mapping[str, torch.Tensor], own: Collection[str]) -> dict[str, torch.Tensor]:
    """The state without what is no layer: losses, metrics, profilers' counters."""
    return {
        key: value
        for key, value in state.items()
        if key in own or not (_is_loss(key) or key.rpartition(".")[2] in COUNTERS)
    }


def _is_loss(key: str) -> bool:
    """Whether the module at the top is named as a loss or metric: criterion.weight, train_acc.total, n_averaged."""
    return not LOSS_WORDS.isdisjoint(key.partition(".")[0].lower().split("_"))


def without_extras(
    state: Mapping[str, torch.Tensor], own: Collection[str]
) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The state without further heads, and their names.

    A head is a module of its own at the top, named as one, of linear layers and norms. Anything else that is left over
    means that the file belongs to another network, and stays.
    """
    tops = {key.partition(".")[0] for key in own}
    ignored = tuple(
        key
        for key, value in state.items()
        if key not in own and key.partition(".")[0] not in tops and _is_head(key, value)
    )
    return {key: value for key, value in state.items() if key not in ignored}, ignored


def _is_head(key: str, value: torch.Tensor) -> bool:
    words = re.split(r"[^a-z]+", key.partition(".")[0].lower())
    return bool(HEAD_WORDS & set(words)) and value.dim() <= MOST_HEAD_DIMENSIONS


def ignored_warning(source: str, ignored: Collection[str]) -> Iterator[JobWarning]:
    """What is told of heads that were left out."""
    if ignored:
        modules = sorted({key.partition(".")[0] for key in ignored})
        yield JobWarning(
            code=warning_codes.IGNORED,
            message=f"{source} has further heads that this network does not have and that are not used: "
            f"{', '.join(modules[:LISTED])}",
            hint="nothing is needed where the network answers with its main classifier",
            count=len(ignored),
        )


def rivals_warning(source: str, subtree: Subtree) -> Iterator[JobWarning]:
    """What is told where a file holds several networks that fit."""
    if subtree.rivals:
        names = ", ".join(prefix.removesuffix(".") or "the top level" for prefix in subtree.rivals[:LISTED])
        yield JobWarning(
            code=warning_codes.AMBIGUOUS,
            message=f"{source} holds {len(subtree.rivals) + 1} networks that fit; "
            f"{subtree.prefix.removesuffix('.') or 'the one at the top level'} is used, not {names}",
            hint="save the network that you mean alone: torch.save(model.state_dict(), path)",
            count=len(subtree.rivals) + 1,
        )
