"""Networks in which no block expands to more than a given number of channels (core.spec.pruned says how they are
called).

An inverted residual block (MobileNetV2: Sandler et al., CVPR 2018) expands its input with a 1x1 convolution, filters
each of these hidden channels, perhaps scales it (squeeze and excitation), and projects the result with a second 1x1
convolution. Nothing outside the block sees the hidden channels, so that some can be removed and the rest of the network
stays as it is. In MobileNets and EfficientNets the last blocks have most of the weights and of the hidden channels.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import SpecInvalid

# The layers of a block in their order (see _kind): perhaps filters before it; expansion, filters, perhaps the two
# convolutions of squeeze and excitation, projection.
_BLOCK = re.compile("(?:dn)?(?P<hidden>pndn(?:pp)?pn)")


@dataclass(frozen=True)
class HiddenLayer:
    """The layers of a block that read or write its hidden channels, by their path in the network."""

    expand: str
    between: tuple[str, ...]
    """Depthwise convolutions, batch norms, and the convolutions of squeeze and excitation."""
    project: str
    norm: str
    """The batch norm behind the projection: its running mean takes up what the removed channels gave on average."""
    channels: int


def hidden_layers(module: nn.Module) -> tuple[HiddenLayer, ...]:
    """The hidden layers of all blocks that can be pruned, in the order in which the network defines them."""
    found: dict[str, HiddenLayer] = {}
    for path, block in module.named_modules():
        layer = _hidden_layer(path, block)
        if layer is not None:  # of nested modules with the same layers each gives the same entry
            found[layer.expand] = layer
    return tuple(found.values())


def prune_evenly(module: nn.Module, most: int, architecture: str) -> None:
    """Keep evenly spaced hidden channels, `most` in each block that has more; in place.

    Raises:
        SpecInvalid: no block has more, so that the name means nothing.
    """
    layers = [layer for layer in hidden_layers(module) if layer.channels > most]
    if not layers:
        widest = max((layer.channels for layer in hidden_layers(module)), default=None)
        told = f"its widest has {widest}" if widest else "it has no inverted residual blocks"
        detail = f"{architecture!r}: no block of the network expands to more than {most} channels ({told})"
        raise SpecInvalid([("/student/architecture", f"{detail}; write the name without +pruned{most}")])
    for layer in layers:
        keep_channels(module, layer, torch.arange(most) * layer.channels // most)


def keep_channels(module: nn.Module, layer: HiddenLayer, kept: Tensor) -> None:
    """Keep the hidden channels `kept`, int64 (k,) in rising order, and their weights; in place."""
    _keep_outputs(_convolution(module, layer.expand), kept)
    _keep_inputs(_convolution(module, layer.project), kept)
    for path in layer.between:
        part = module.get_submodule(path)
        if isinstance(part, nn.BatchNorm2d):
            _keep_statistics(part, kept)
        elif isinstance(part, nn.Conv2d) and part.groups == layer.channels:
            _keep_outputs(part, kept)
            part.in_channels = part.groups = len(kept)
        elif isinstance(part, nn.Conv2d):
            (_keep_inputs if part.in_channels == layer.channels else _keep_outputs)(part, kept)


def _hidden_layer(path: str, block: nn.Module) -> HiddenLayer | None:
    """The hidden layer of a module that has the layers of one inverted residual block and no others."""
    if any(_has_both(child) for child in block.children()):
        return None  # the child may be the block; between two blocks a skip connection may read the channels
    layers = [(f"{path}.{name}".strip("."), part) for name, part in block.named_modules() if len(part._parameters)]
    found = _BLOCK.fullmatch("".join(_kind(part) for _, part in layers))
    if found is None:
        return None
    (expand, first), *between, (project, last), (norm, _) = layers[found.start("hidden") :]
    channels = first.out_channels if isinstance(first, nn.Conv2d) else 0
    fits = isinstance(last, nn.Conv2d) and last.in_channels == channels
    if not fits or not all(_serves(part, channels) for _, part in between):
        return None
    return HiddenLayer(expand, tuple(name for name, _ in between), project, norm, channels)


def _kind(part: nn.Module) -> str:
    """p: 1x1 convolution; d: one filter for each channel; n: batch norm; o: any other layer with weights."""
    if isinstance(part, nn.BatchNorm2d):
        return "n"
    if not isinstance(part, nn.Conv2d):
        return "o"
    if part.groups == 1:
        return "p" if part.kernel_size == (1, 1) else "o"
    return "d" if part.groups == part.in_channels == part.out_channels else "o"


def _has_both(part: nn.Module) -> bool:
    """Whether filters of each channel and a 1x1 convolution are inside."""
    return {"p", "d"} <= {_kind(each) for each in part.modules() if len(each._parameters)}


def _serves(part: nn.Module, channels: int) -> bool:
    """Whether a layer between expansion and projection has exactly the hidden channels on one of its sides."""
    if isinstance(part, nn.BatchNorm2d):
        return part.num_features == channels
    return isinstance(part, nn.Conv2d) and channels in (part.in_channels, part.out_channels)


def _convolution(module: nn.Module, path: str) -> nn.Conv2d:
    part = module.get_submodule(path)
    if not isinstance(part, nn.Conv2d):
        raise TypeError(f"{path} is a convolution, and this is a {type(part).__name__}")
    return part


def _keep_outputs(layer: nn.Conv2d, kept: Tensor) -> None:
    layer.weight = _selected(layer.weight, 0, kept)
    if layer.bias is not None:
        layer.bias = _selected(layer.bias, 0, kept)
    layer.out_channels = len(kept)


def _keep_inputs(layer: nn.Conv2d, kept: Tensor) -> None:
    layer.weight = _selected(layer.weight, 1, kept)
    layer.in_channels = len(kept)


def _keep_statistics(norm: nn.BatchNorm2d, kept: Tensor) -> None:
    for name, value in _vectors(norm):
        selected = value.detach().index_select(0, kept.to(value.device))
        setattr(norm, name, nn.Parameter(selected) if isinstance(value, nn.Parameter) else selected)
    norm.num_features = len(kept)


def _vectors(norm: nn.BatchNorm2d) -> Iterator[tuple[str, Tensor]]:
    """The parameters and statistics with one number for each channel."""
    for name, value in (*norm._parameters.items(), *norm._buffers.items()):
        if value is not None and value.dim() == 1:
            yield name, value


def _selected(values: Tensor, dim: int, kept: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().index_select(dim, kept.to(values.device)))
