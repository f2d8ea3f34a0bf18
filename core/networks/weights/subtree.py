"""Which part of a checkpoint is the network: training programs put prefixes before its names, and other networks,
losses and optimizer states beside it.

The names decide. A prefix such as `state_dict.model.` counts the network's own names that the file has below it; the
prefix with all of them is the network's.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch

from core.networks.libraries import library
from core.networks.network import Network

# An average over the training's steps comes before the last step's weights: it scores higher, and programs that keep
# one evaluate it. A network that another one was trained to follow is an average too (mean teacher, BYOL, DINO).
AVERAGED = frozenset({"ema", "averaged", "swa", "avg"})
FOLLOWED = frozenset({"teacher"})
# Copies that only serve the training of another network of the file.
AUXILIARY = frozenset({"student", "momentum", "target", "online", "k", "old", "prev", "init", "initial"})
# What wrappers of modules put between a network's names: sharding, activation checkpoints, compilation.
WRAPPERS = frozenset({
    "_fsdp_wrapped_module", "_fpw_module", "_checkpoint_wrapped_module", "_orig_mod", "_forward_module",
})  # fmt: skip
# What belongs to no network: optimizers keep tensors of the weights' shapes under numbers.
OPTIMIZER = re.compile(r"(^|\.)(optim\w*|\w*optimizer\w*)\.")
MOST_PREFIXES = 50
# A part is taken for the network, for messages too, where it has this share of its names.
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Subtree:
    """The tensors below one prefix, without it, and what else the file holds."""

    prefix: str
    state: dict[str, torch.Tensor]
    beside: tuple[str, ...] = ()
    """Names of the file outside of the prefix."""
    rivals: tuple[str, ...] = ()
    """Prefixes of other parts that have all of the network's names as well, with other values."""


def find_subtree(network: Network, state: Mapping[str, torch.Tensor]) -> Subtree:
    """The part of `state` that the network's names fit best; all of it where they fit nowhere."""
    own = {key for key in network.module.state_dict() if not key.endswith("num_batches_tracked")}
    named = current_names(network, state)
    counts = _counts(named, own)
    heads = {key for key in own if key.rpartition(".")[0] in network.classifier_paths}
    complete = [prefix for prefix, count in counts.items() if count >= len(own - heads)]
    if complete:
        best = min(complete, key=lambda prefix: (_rank(prefix), -counts[prefix]))  # the first of equals
        rivals = tuple(p for p in complete if p != best and not _equal(named, p, best, own))
        return _below(named, best, rivals)
    best = max(counts, key=lambda prefix: counts[prefix], default="")
    if counts.get(best, 0) >= LEAST_SHARE * len(own):
        return _below(named, best, ())
    return _below(named, _shared_prefix(named), ())


def current_names(network: Network, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state without wrappers' words in its names, and with the names that the network's library uses today."""
    state = {".".join(word for word in key.split(".") if word not in WRAPPERS): state[key] for key in state}
    prefix, _, name = network.architecture.partition("/")
    zoo = library(prefix)
    return zoo.current_names(name, dict(state)) if zoo is not None else dict(state)


def _counts(state: Mapping[str, torch.Tensor], own: Collection[str]) -> Counter[str]:
    """prefix -> how many of the network's names the file has below it."""
    counts: Counter[str] = Counter()
    for key in state:
        start = 0
        while start >= 0:
            if key[start:] in own:
                counts[key[:start]] += 1
            dot = key.find(".", start)
            start = dot + 1 if dot >= 0 else -1
    return Counter(dict(counts.most_common(MOST_PREFIXES)))


def _rank(prefix: str) -> int:
    words = set(re.split(r"[^a-z]+", prefix.lower()))
    if words & AVERAGED:
        return 0
    if words & FOLLOWED:
        return 1
    return 3 if words & AUXILIARY else 2


def _equal(state: Mapping[str, torch.Tensor], prefix: str, other: str, own: Collection[str]) -> bool:
    """Whether two parts hold the same values under the names that both have."""
    pairs = [(state.get(prefix + key), state.get(other + key)) for key in own]
    return all(a is b or (a is not None and b is not None and torch.equal(a, b)) for a, b in pairs)


def _below(state: Mapping[str, torch.Tensor], prefix: str, rivals: tuple[str, ...]) -> Subtree:
    inside = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    beside = tuple(key for key in state if not key.startswith(prefix))
    return Subtree(prefix, inside, beside, rivals)


def _shared_prefix(state: Mapping[str, torch.Tensor]) -> str:
    """Where the names fit nowhere: the longest run of whole words that all names outside of optimizers begin with."""
    keys = [key for key in state if not OPTIMIZER.search(key)]
    if not keys:
        return ""
    parts = [key.split(".")[:-1] for key in keys]
    shared: list[str] = []
    for words in zip(*parts, strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return "".join(f"{word}." for word in shared)
