"""From a frozen network to the same network in integers, if that pays and it still says the same."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, fx, nn

from core.files.result_cache import Findings, content_address
from core.networks.network import Features, Network
from core.networks.quantized.calibration import scales
from core.networks.quantized.graph import MIN_CHANNELS, Observed, exported
from core.networks.quantized.plan import plan
from core.networks.quantized.record import NotRecordable, recalled, recorded
from core.networks.quantized.rewrite import rewritten

# |integers - floats| / |floats| over images that were not used for calibration; logits without their mean. Maps may
# differ more, because their values are averaged over many positions. Trained CIFAR networks differ by 0.03 to 0.06 in
# all of them and predict the same class for 97% of the images (docs/explanation/performance.md). What students learn
# from either arithmetic: docs/explanation/methods.md.
TOLERANCE = 0.1
MAP_TOLERANCE = 0.25
NUM_IMAGES = 64  # half of them to calibrate, half to compare
KIND = "teacher-integers"
_FORM = 1  # raised whenever the same network and images would have another outcome: part of every address


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
    network: Network,
    taps: Sequence[int | str],
    views: Tensor,
    *,
    dtype: torch.dtype,
    batch_size: int,
    findings: Findings | None = None,
) -> QuantizedFeatures:
    """`network` in integers, with floats of `dtype` where it needs them; to be called under autocast to that type.

    `network`: frozen, float32, on the CPU. `views`: NUM_IMAGES images such as it will see, (N, 3, V, V) in [0, 1];
    fewer will do. Fastest for batches of `batch_size`. `findings`: where the outcome is kept for the next one who asks.
    Raises NotQuantized where it would gain nothing, say something else, or cannot be followed.
    """
    if not _is_convolutional(network):
        raise NotQuantized("it has no convolutions that could gain")
    observed = Observed(network, [network.tap(tap) for tap in taps])
    address = _address(observed, views, dtype)
    content = findings.recall(KIND, address) if findings is not None else None
    outcome = json.loads(content) if content is not None else _found_out(observed, views)
    made = None
    if "refusal" not in outcome:
        module, scales = recalled(outcome, observed)
        made = QuantizedFeatures(rewritten(module, plan(module.graph), scales, dtype, batch_size))
        if content is None and (refusal := _differs(network, taps, made, views[1::2])):
            outcome = {"refusal": refusal}
    if content is None and findings is not None:
        findings.keep(KIND, address, json.dumps(outcome).encode())
    if "refusal" in outcome:
        raise NotQuantized(outcome["refusal"])
    return made


def _address(observed: Observed, views: Tensor, dtype: torch.dtype) -> str:
    """Of all that the outcome depends on, but for this package itself: `_FORM` stands for it."""
    facts = {
        "form": _FORM,
        "architecture": observed.network.architecture,
        "input": asdict(observed.network.input),
        "taps": [asdict(point) for point in observed.points],
        "dtype": str(dtype),
        "torch": torch.__version__,
    }
    return content_address(facts, {**observed.state_dict(), "views": views})


def _found_out(observed: Observed, views: Tensor) -> dict[str, Any]:
    """The record of the network's graph and scales, or why it has none. Raises NotQuantized for what may be otherwise
    the next time."""
    try:
        with torch.autocast("cpu", enabled=False):
            module = exported(observed, views[:2])
    except Exception as error:  # torch.export has no common base for what it raises
        raise NotQuantized(f"torch.export cannot follow it: {_first_line(error)}") from error
    chosen = plan(module.graph)
    if chosen is None:
        return {"refusal": "too few of its convolutions would gain"}
    calibrating = views[::2]  # from all over a dataset that may be ordered by class, as those that are compared
    try:
        return recorded(module, scales(module, chosen.integers, calibrating), observed)
    except NotRecordable as reason:
        return {"refusal": f"its graph has {reason}"}


def _is_convolutional(network: Network) -> bool:
    """Whether there is a convolution that could be taken over: cheaper to know than a graph is to make."""
    found = (module for module in network.module.modules() if type(module) is nn.Conv2d)
    return any(each.groups == 1 and each.in_channels >= MIN_CHANNELS for each in found)


def _differs(network: Network, taps: Sequence[int | str], made: QuantizedFeatures, views: Tensor) -> str | None:
    """Where the integers say something else than the floats do, that."""
    floats, integers = network.features(views, taps), made.features(views)
    found = [("logits", _centred(floats.logits), _centred(integers.logits), TOLERANCE)]
    if floats.pooled is not None and integers.pooled is not None:
        found.append(("features", floats.pooled, integers.pooled, TOLERANCE))
    for one, other in zip(floats.maps, integers.maps, strict=True):
        found.append(("maps", one, other, MAP_TOLERANCE))
    for name, one, other, allowed in found:
        moved = _moved(one, other)
        if not moved <= allowed:  # nor where it is not a number
            return f"its {name} would move by {moved:.0%}; allowed: {allowed:.0%}"
    return None


def _moved(one: Tensor, other: Tensor) -> float:
    one, other = one.float(), other.float()
    return ((other - one).norm() / one.norm().clamp(min=1e-12)).item()


def _centred(logits: Tensor) -> Tensor:
    return logits.float() - logits.float().mean(dim=1, keepdim=True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'it does not say why'}"
