"""The final classifier of a network: finding it, replacing it, keeping some of its rows."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from core.networks.trace import Call

if TYPE_CHECKING:
    from core.networks.network import Network

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)


def find_classifiers(calls: list[Call], num_classes: int) -> list[Call]:
    """The linear or convolution layers that give the logits, last first; several if a network adds several heads.

    The search goes backwards from the end of the forward pass. Layers without parameters (pooling, flatten) may follow
    a classifier, and normalizations may precede each of several; any other layer ends the search.
    """
    found: list[Call] = []
    for call in sorted(calls, key=lambda call: call.ended, reverse=True):
        is_leaf = not any(call.module.children()) and any(True for _ in call.module.parameters())
        if not is_leaf or (found and isinstance(call.module, NORMS)):
            continue
        if not _gives(call, num_classes) or (found and not _is_beside(call, found[-1], num_classes)):
            break
        found.append(call)
    return found


def as_classifier(module: nn.Module) -> nn.Linear | nn.Conv2d:
    """The module as one of the two kinds that `find_classifiers` finds; raises TypeError for any other."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        return module
    raise TypeError(f"a {type(module).__name__} is no classifier: expected a Linear or a Conv2d")


def width(classifier: nn.Linear | nn.Conv2d) -> int:
    """D: how many features of one position enter the classifier."""
    return classifier.in_features if isinstance(classifier, nn.Linear) else classifier.in_channels


def _gives(call: Call, num_classes: int) -> bool:
    if isinstance(call.module, nn.Linear):
        return call.module.out_features == num_classes
    return isinstance(call.module, nn.Conv2d) and call.module.out_channels == num_classes


def _is_beside(call: Call, classifier: Call, num_classes: int) -> bool:
    """Whether the earlier layer is a second head rather than one that feeds the classifier."""
    if isinstance(classifier.module, nn.Linear):
        return isinstance(call.module, nn.Linear) and classifier.module.in_features != num_classes
    return isinstance(call.module, nn.Conv2d) and call.input_shape == classifier.input_shape


def pool(entering: torch.Tensor) -> torch.Tensor:
    """The input of a classifier as (N, D): inputs (N, D, 1, 1), (N, D, H, W) and (N, L, D) are averaged over
    positions.
    """
    if entering.dim() == 4:
        return entering.mean(dim=(2, 3))
    return entering.mean(dim=1) if entering.dim() == 3 else entering


def replace_head(network: "Network", num_classes: int) -> "Network":
    """Put a new classifier for `num_classes` into the network, initialized from the current random state; returns the
    network.
    """
    for path in network.classifier_paths:
        _put(network.module, path, _fresh(as_classifier(network.module.get_submodule(path)), num_classes))
    return _renumbered(network, num_classes)


def slice_head(network: "Network", indices: list[int]) -> "Network":
    """Keep these outputs, in this order, with their weights; returns the network. Refuses an index out of range."""
    wrong = [index for index in indices if not 0 <= index < network.num_classes]
    if wrong or not indices:
        raise ValueError(f"outputs {wrong or indices} are not among the network's {network.num_classes}")
    for path in network.classifier_paths:
        old = as_classifier(network.module.get_submodule(path))
        new = _fresh(old, len(indices))
        with torch.no_grad():
            new.weight.copy_(old.weight[indices])
            if old.bias is not None and new.bias is not None:
                new.bias.copy_(old.bias[indices])
        _put(network.module, path, new)
    return _renumbered(network, len(indices))


def _fresh(old: nn.Linear | nn.Conv2d, num_classes: int) -> nn.Linear | nn.Conv2d:
    place: dict[str, Any] = {"device": old.weight.device, "dtype": old.weight.dtype}
    has_bias = old.bias is not None
    if isinstance(old, nn.Conv2d):
        new: nn.Linear | nn.Conv2d = nn.Conv2d(
            old.in_channels,
            num_classes,
            _pair(old.kernel_size),
            _pair(old.stride),
            old.padding if isinstance(old.padding, str) else _pair(old.padding),
            bias=has_bias,
            **place,
        )
    else:
        new = nn.Linear(old.in_features, num_classes, bias=has_bias, **place)
    return new.train(old.training)


def _pair(sizes: tuple[int, ...]) -> tuple[int, int]:
    """A convolution's (height, width), whose number torch's types leave open."""
    height, width = sizes
    return height, width


def _put(module: nn.Module, path: str, new: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, new)


def _renumbered(network: "Network", num_classes: int) -> "Network":
    network.num_classes = num_classes
    # timm and torchvision keep the number on the module; some forwards read it.
    if isinstance(getattr(network.module, "num_classes", None), int):
        setattr(network.module, "num_classes", num_classes)  # noqa: B010 (an attribute that nn.Module does not declare)
    return network
