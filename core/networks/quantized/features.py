"""Converts a frozen network to 8-bit integers, if that is faster and the outputs stay nearly the same."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, fx, nn

from core.files.result_cache import ResultCache, content_address
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
_FORM = 1  # increased whenever a change of this code changes the result: part of every cache address


class NotQuantized(Exception):
    """The network stays in floating point; the message is the reason."""


class QuantizedFeatures:
    """Features of a network in its integer form, for one set of taps."""

    def __init__(self, module: fx.GraphModule) -> None:
        self._module = module

    def features(self, pixels: Tensor) -> Features:
        """The same as Network.features for these taps, apart from rounding to 8 bits."""
        logits, pooled, *maps = self._module(pixels)
        return Features(logits, pooled, tuple(maps))


def quantized(
    network: Network,
    taps: Sequence[int | str],
    views: Tensor,
    *,
    dtype: torch.dtype,
    batch_size: int,
    result_cache: ResultCache | None = None,
) -> QuantizedFeatures:
    """`network` in 8-bit integers, with floats of `dtype` elsewhere; call it under autocast to that type.

    `network` is frozen, float32, on the CPU. `views` are up to NUM_IMAGES images of its kind, (N, 3, V, V) in [0, 1].
    It is fastest for batches of `batch_size`. `result_cache` is the cache in which the result is stored for later jobs.
    Raises NotQuantized if it would not be faster, its outputs would differ too much, or it cannot be exported.
    """
    if not _is_convolutional(network):
        raise NotQuantized("it has no convolutions that would be faster in integers")
    observed = Observed(network, [network.tap(tap) for tap in taps])
    address = _address(observed, views, dtype)
    content = result_cache.recall(KIND, address) if result_cache is not None else None
    outcome = json.loads(content) if content is not None else _found_out(observed, views)
    made = None
    if "refusal" not in outcome:
        made = _rebuilt(outcome, observed, dtype, batch_size)
        if content is None and (refusal := _differs(network, taps, made, views[1::2])):
            outcome = {"refusal": refusal}
    if content is None and result_cache is not None:
        result_cache.keep(KIND, address, json.dumps(outcome).encode())
    if made is None or "refusal" in outcome:
        raise NotQuantized(outcome["refusal"])
    return made


def _rebuilt(outcome: dict[str, Any], observed: Observed, dtype: torch.dtype, batch_size: int) -> QuantizedFeatures:
    """The features from the record of the graph and its scales. Raises NotQuantized for a record of a graph in which
    nothing is worth integers: `_found_out` writes none such.
    """
    module, scales = recalled(outcome, observed)
    chosen = plan(module.graph)
    if chosen is None:
        raise NotQuantized("too few of its convolutions would be faster in integers")
    return QuantizedFeatures(rewritten(module, chosen, scales, dtype, batch_size))


def _address(observed: Observed, views: Tensor, dtype: torch.dtype) -> str:
    """The cache address of everything that the result depends on; `_FORM` stands for the code of this package."""
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
    """The record of the network's graph and scales, or the reason why there is none. Raises NotQuantized for a reason
    that may not hold the next time.
    """
    try:
        with torch.autocast("cpu", enabled=False):
            module = exported(observed, views[:2])
    except Exception as error:  # torch.export has no common base for what it raises
        raise NotQuantized(f"torch.export cannot export it: {_first_line(error)}") from error
    chosen = plan(module.graph)
    if chosen is None:
        return {"refusal": "too few of its convolutions would be faster in integers"}
    calibrating = views[
        ::2
    ]  # evenly from the whole dataset, which may be sorted by class; the images for comparison likewise
    try:
        return recorded(module, scales(module, chosen.integers, calibrating), observed)
    except NotRecordable as reason:
        return {"refusal": f"its graph has {reason}"}


def _is_convolutional(network: Network) -> bool:
    """Whether any convolution could be computed in integers; this check is cheaper than an export."""
    found = (module for module in network.module.modules() if type(module) is nn.Conv2d)
    return any(each.groups == 1 and each.in_channels >= MIN_CHANNELS for each in found)


def _differs(network: Network, taps: Sequence[int | str], made: QuantizedFeatures, views: Tensor) -> str | None:
    """A description of the output that differs too much between integers and floats; None if all agree."""
    floats, integers = network.features(views, taps), made.features(views)
    found = [("logits", _centred(floats.logits), _centred(integers.logits), TOLERANCE)]
    if floats.pooled is not None and integers.pooled is not None:
        found.append(("features", floats.pooled, integers.pooled, TOLERANCE))
    for one, other in zip(floats.maps, integers.maps, strict=True):
        found.append(("maps", one, other, MAP_TOLERANCE))
    for name, one, other, allowed in found:
        moved = _moved(one, other)
        if not moved <= allowed:  # false for NaN too
            return f"its {name} would change by {moved:.0%}; allowed: {allowed:.0%}"
    return None


def _moved(one: Tensor, other: Tensor) -> float:
    one, other = one.float(), other.float()
    return ((other - one).norm() / one.norm().clamp(min=1e-12)).item()


def _centred(logits: Tensor) -> Tensor:
    return logits.float() - logits.float().mean(dim=1, keepdim=True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'it does not say why'}"
