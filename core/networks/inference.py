"""Makes a frozen network fast: folds batch norms into the convolutions before them, and stores weights in the layout
and precision in which the device is fastest. The outputs stay the same up to rounding.
"""

import copy
import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.networks.network import Features, Network
from core.networks.trace import undisturbed

Trained = TypeVar("Trained", bound=nn.Module)
# A folded network may differ from the plain one by rounding; where it differs more, the pair must not be folded.
TOLERANCE = 1e-3


def frozen_copy(network: Network, taps: Sequence[int | str] = ()) -> Network:
    """A copy in eval mode, with each batch norm folded into its convolution where logits and `taps` do not change."""
    tapped = {network.tap(tap).path for tap in taps}
    pairs = [(conv, norm) for conv, norm in _pairs(network) if conv not in tapped]
    folded = _folded(network, pairs)
    if says_the_same(network, folded, taps):
        return folded
    # If the output of a convolution has other readers too (the stem of a pre-activation network), its norm must stay.
    sound = [pair for pair in pairs if says_the_same(network, _folded(network, [pair]), taps)]
    folded = _folded(network, sound)
    return folded if says_the_same(network, folded, taps) else _folded(network, [])


def in_layout(module: Trained) -> Trained:
    """The module with the weights of its convolutions channels-last, the layout in which CPUs and GPUs are fastest."""
    return module.to(memory_format=torch.channels_last)


def in_plain_layout(module: Trained) -> Trained:
    """The module with its weights as other programs expect them, channels first."""
    return module.to(memory_format=torch.contiguous_format)


def in_low_precision(network: Network, dtype: torch.dtype) -> Network:
    """Store the weights of convolutions and linear layers in `dtype`, so that autocast need not convert them at every
    call.
    """
    for module in network.modules():
        if type(module) in (nn.Conv2d, nn.Linear):
            module.to(dtype)
    return network


def _pairs(network: Network) -> list[tuple[str, str]]:
    """Pairs of paths: a convolution and the batch norm that reads its output, if each is called once."""
    made: dict[int, str] = {}
    alive: list[torch.Tensor] = []
    calls: dict[str, int] = {}
    pairs, handles = [], []

    def note_conv(path: str, output: torch.Tensor) -> None:
        calls[path] = calls.get(path, 0) + 1
        made[id(output)] = path
        alive.append(output)  # keeps the tensor alive: its id could otherwise be that of another tensor

    def note_norm(path: str, entering: torch.Tensor) -> None:
        calls[path] = calls.get(path, 0) + 1
        if id(entering) in made:
            pairs.append((made[id(entering)], path))

    for path, module in network.module.named_modules():
        if type(module) is nn.Conv2d:
            handles.append(module.register_forward_hook(lambda m, i, output, path=path: note_conv(path, output)))
        elif type(module) is nn.BatchNorm2d and module.track_running_stats:
            handles.append(module.register_forward_pre_hook(lambda m, inputs, path=path: note_norm(path, inputs[0])))
    try:
        with undisturbed(network):
            network(_pixels(network))
    finally:
        for handle in handles:
            handle.remove()
    return [pair for pair in pairs if calls[pair[0]] == 1 and calls[pair[1]] == 1]


def _folded(network: Network, pairs: Sequence[tuple[str, str]]) -> Network:
    folded = copy.deepcopy(network).eval()
    for conv_path, norm_path in pairs:
        conv, norm = folded.module.get_submodule(conv_path), folded.module.get_submodule(norm_path)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):  # as _pairs found them
            folded.module.set_submodule(conv_path, fuse_conv_bn_eval(conv, norm))
            folded.module.set_submodule(norm_path, nn.Identity())
    return folded.requires_grad_(False)


def says_the_same(one: Network, other: Network, taps: Sequence[int | str]) -> bool:
    """Whether two networks on one device compute the same features of two images of noise, up to rounding."""
    with undisturbed(one), undisturbed(other):
        return _close(one.features(_pixels(one), taps), other.features(_pixels(other), taps))


def _close(one: Features, other: Features) -> bool:
    pairs = [(one.logits, other.logits), (one.pooled, other.pooled), *zip(one.maps, other.maps, strict=True)]
    return all(_distance(a, b) < TOLERANCE for a, b in pairs if a is not None and b is not None)


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference divided by the largest value. Values that are NaN in both count as equal."""
    if not torch.equal(one.isnan(), other.isnan()):
        return math.inf
    one, other = one.nan_to_num(), other.nan_to_num()
    return (one - other).abs().max().item() / max(one.abs().max().item(), 1e-12)


def _pixels(network: Network) -> torch.Tensor:
    """Two images of fixed noise at the network's size."""
    size = network.input.size
    draws = torch.Generator().manual_seed(0)
    device = next(network.parameters()).device
    return torch.rand(2, 3, size, size, generator=draws).to(device)
