"""A network's final classifier: replacing it, and keeping some of its rows."""

from typing import Any

import torch
from torch import nn

from core.networks.classifier import as_classifier, width
from core.networks.network import Network


def head_outputs(network: Network, pooled: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each classifier gives, (N, K) by its path: `pooled` (N, D) are the pooled features that Network.features
    gives, side by side where there are several classifiers.
    """
    heads = [as_classifier(network.module.get_submodule(path)) for path in network.classifier_paths]
    widths = [width(head) for head in heads]
    outputs = {}
    for path, head, entering in zip(network.classifier_paths, heads, pooled.split(widths, dim=1), strict=True):
        shaped = entering if isinstance(head, nn.Linear) else entering[:, :, None, None]
        outputs[path] = head(shaped).flatten(1)
    return outputs


def replace_head(network: Network, num_classes: int) -> Network:
    """Put a new classifier for `num_classes` into the network, initialized from the current random state; returns the
    network.
    """
    for path in network.classifier_paths:
        _put(network.module, path, _fresh(as_classifier(network.module.get_submodule(path)), num_classes))
    return _renumbered(network, num_classes)


def slice_head(network: Network, indices: list[int]) -> Network:
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


def without_classifier(network: Network) -> dict[str, torch.Tensor]:
    """The state dict of the wrapped module but for the classifiers."""
    heads = tuple(f"{path}." for path in network.classifier_paths)
    return {name: value for name, value in network.module.state_dict().items() if not name.startswith(heads)}


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


def _renumbered(network: Network, num_classes: int) -> Network:
    network.num_classes = num_classes
    # timm and torchvision keep the number on the module; some forwards read it.
    if isinstance(getattr(network.module, "num_classes", None), int):
        network.module.num_classes = num_classes  # type: ignore[assignment]  # nn.Module declares no such attribute
    return network
