"""The layer or layers of a network that give its logits: finding them, and what enters them."""

import torch
from torch import nn

from core.networks.trace import Call

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
