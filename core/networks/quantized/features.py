"""From a frozen network to the same network in integers, if that pays and it still says the same."""

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from core.networks.network import Features, Network
from core.networks.quantized.calibration import scales
from core.networks.quantized.graph import MIN_CHANNELS, exported
from core.networks.quantized.plan import plan
from core.networks.quantized.rewrite import rewritten

# |integers - floats| / |floats| over images that it was not calibrated with; logits without their mean. Maps may move
# further, for what they say is averaged over many places. Trained CIFAR networks lie at 0.03 to 0.06 in all of them,
# and 97% of their classes are the same (docs/performance.md); what students learn from either: docs/methods.md.
TOLERANCE = 0.1
MAP_TOLERANCE = 0.25
NUM_IMAGES = 64  # half of them to calibrate, half to compare


class NotQuantized(Exception):
    """The network stays in floats; the message says why."""


class QuantizedFeatures:
    """A network's features from its integer form, which knows one set of taps."""

    def __init__(self, module: fx.GraphModule) -> None:
        self._module = module

    def features(self, pixels: Tensor) -> Features:
        """What Network.features gives for these taps, but for rounding to 8 bits."""
        logits, pooled, *maps = self._module(pixels)
        return Features(logits, pooled, tuple(maps))


def quantized(
    network: Network, taps: Sequence[int | str], views: Tensor, *, dtype: torch.dtype, batch_size: int
) -> QuantizedFeatures:
    """`network` in integers, with floats of `dtype` where it needs them; to be called under autocast to that type.

    `network`: frozen, float32, on the CPU. `views`: NUM_IMAGES images such as it will see, (N, 3, V, V) in [0, 1];
    fewer will do. Fastest for batches of `batch_size`. Raises NotQuantized where it would gain nothing, say something
    else, or cannot be followed.
    """
    if not _is_convolutional(network):
        raise NotQuantized("it has no convolutions that could gain")
    points = [network.tap(tap) for tap in taps]
    try:
        with torch.autocast("cpu", enabled=False):
            module = exported(network, points, views[:2])
    except Exception as error:  # torch.export has no common base for what it raises
        raise NotQuantized(f"torch.export cannot follow it: {_first_line(error)}") from error
    chosen = plan(module.graph)
    if chosen is None:
        raise NotQuantized("too few of its convolutions would gain")
    calibrating, checked = views[::2], views[1::2]  # both from all over a dataset that may be ordered by class
    found = scales(module, chosen.integers, calibrating)
    made = QuantizedFeatures(rewritten(module, chosen, found, dtype, batch_size))
    _compare(network.features(checked, taps), made.features(checked))
    return made


def _is_convolutional(network: Network) -> bool:
    """Whether there is a convolution that could be taken over: cheaper to know than a graph is to make."""
    found = (module for module in network.module.modules() if type(module) is nn.Conv2d)
    return any(each.groups == 1 and each.in_channels >= MIN_CHANNELS for each in found)


def _compare(floats: Features, integers: Features) -> None:
    found = [("logits", _centred(floats.logits), _centred(integers.logits), TOLERANCE)]
    if floats.pooled is not None and integers.pooled is not None:
        found.append(("features", floats.pooled, integers.pooled, TOLERANCE))
    for one, other in zip(floats.maps, integers.maps, strict=True):
        found.append(("maps", one, other, MAP_TOLERANCE))
    for name, one, other, allowed in found:
        moved = _moved(one, other)
        if not moved <= allowed:  # nor where it is not a number
            raise NotQuantized(f"its {name} would move by {moved:.0%}; allowed: {allowed:.0%}")


def _moved(one: Tensor, other: Tensor) -> float:
    one, other = one.float(), other.float()
    return ((other - one).norm() / one.norm().clamp(min=1e-12)).item()


def _centred(logits: Tensor) -> Tensor:
    return logits.float() - logits.float().mean(dim=1, keepdim=True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'it does not say why'}"
