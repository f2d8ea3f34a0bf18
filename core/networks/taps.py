"""Finds the feature maps of a network, one per resolution, from the shapes of one forward pass.

The rule: take the outermost modules that lower the resolution at most once (stages, or blocks if a container spans
several resolutions). The last such module at each resolution, before the classifier, is the tap. Maps may be
(N, C, H, W), (N, H, W, C) (Swin, ConvNeXt) or sequences (N, L, D) (ViT), whose leading class and register tokens are
left out.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from core.networks.trace import Call

Layout = Literal["nchw", "nhwc", "tokens"]
# Class, distillation and register tokens before the patches: no known network has more.
MAX_PREFIX_TOKENS = 5
IMAGE_CHANNELS = 3
# Unpadded convolutions remove a few pixels (149 -> 147 in Inception): a new resolution is at most this share of the
# last.
NEW_RESOLUTION = 0.75


@dataclass(frozen=True)
class TapPoint:
    """A module whose output is a map. `prefix` counts the tokens before the patches."""

    path: str
    channels: int
    height: int
    width: int
    layout: Layout = "nchw"
    prefix: int = 0

    def as_map(self, output: Any) -> torch.Tensor:
        """The module's output, a tensor or a tuple or list that begins with one, as N C H W."""
        value: torch.Tensor = output[0] if isinstance(output, tuple | list) else output
        if self.layout == "nhwc":
            return value.permute(0, 3, 1, 2)
        if self.layout == "tokens":
            patches = value[:, self.prefix :].transpose(1, 2)
            return patches.unflatten(2, (self.height, self.width))
        return value

    def as_output(self, feature_map: torch.Tensor, output: Any) -> Any:
        """The module's output with its map replaced by `feature_map` (N, C, H, W). `output` is its real output, of
        which other tokens and further values are kept.
        """
        if isinstance(output, tuple | list):
            return type(output)([self.as_output(feature_map, output[0]), *output[1:]])
        if self.layout == "nhwc":
            return feature_map.permute(0, 2, 3, 1)
        if self.layout == "tokens":
            return torch.cat([output[:, : self.prefix], feature_map.flatten(2).transpose(1, 2)], dim=1)
        return feature_map


def map_points(module: nn.Module, calls: list[Call]) -> dict[str, TapPoint]:
    """Every module whose output can be read as one map of the example image, in the order in which they end."""
    tokens_before = prefix_tokens(module)
    points: dict[str, TapPoint] = {}
    channels_last = False
    for call in calls:
        shape = call.output_shape
        if len(shape) == 4 and shape[0] == 1:
            layout = _layout(shape, channels_last)
            if layout is None or (shape == call.input_shape and shape[1] == IMAGE_CHANNELS):
                continue
            channels_last = layout == "nhwc"
            channels, side = (shape[3], shape[1]) if channels_last else (shape[1], shape[2])
            points[call.path] = TapPoint(call.path, channels, side, side, layout)
        elif len(shape) == 3 and shape[0] == 1 and (grid := token_grid(shape[1], tokens_before)):
            side, prefix = grid
            points[call.path] = TapPoint(call.path, shape[2], side, side, "tokens", prefix)
    return points


def _layout(shape: tuple[int, ...], channels_last: bool) -> Layout | None:
    """Which dimensions are height and width; if all three sizes are equal, the same as in the map before."""
    _, first, second, third = shape
    if first == second == third:
        return "nhwc" if channels_last else "nchw"
    if second == third:
        return "nchw"
    return "nhwc" if first == second else None


def prefix_tokens(module: nn.Module) -> int | None:
    """The number of tokens before the patches if the network has such an attribute (timm, torchvision), else None."""
    if isinstance(count := getattr(module, "num_prefix_tokens", None), int):
        return count
    return 1 if isinstance(getattr(module, "class_token", None), nn.Parameter) else None


def token_grid(length: int, prefix: int | None) -> tuple[int, int] | None:
    """(side, prefix) of a sequence that is a square grid of patches, perhaps after some tokens; else None."""
    if prefix is not None and length > prefix and math.isqrt(length - prefix) ** 2 == length - prefix:
        return math.isqrt(length - prefix), prefix
    side = math.isqrt(length)
    before = length - side * side
    return (side, before) if side > 1 and before <= MAX_PREFIX_TOKENS else None


def choose_taps(
    module: nn.Module, calls: list[Call], points: dict[str, TapPoint], classifier_started: int, input_size: int
) -> tuple[TapPoint, ...]:
    """One tap per resolution, shallow to deep; maps of one pixel are left out, they are the pooled features."""
    by_path = {call.path: call for call in calls}
    last: dict[int, Call] = {}
    for path in _frontier(module, by_path, points, input_size):
        call = by_path[path]
        point = points.get(path)
        if point and point.height > 1 and call.ended < classifier_started:
            previous = last.get(point.height)
            if previous is None or call.ended > previous.ended:
                last[point.height] = call
    in_order = [points[call.path] for call in _in_order([last[side] for side in sorted(last, reverse=True)])]
    return tuple(
        point
        for point, deeper in zip(in_order, [*in_order[1:], None], strict=True)
        if deeper is None or deeper.height <= NEW_RESOLUTION * point.height
    )


def _frontier(module: nn.Module, by_path: dict[str, Call], points: dict[str, TapPoint], input_size: int) -> list[str]:
    """Paths of the outermost modules that do not contain several resolutions."""
    frontier, waiting = [], [path for path, _ in module.named_children()]
    inside = _sides_inside(points)
    while waiting:
        path = waiting.pop()
        if path in by_path and not _spans(by_path[path], points, inside.get(path, set()), input_size):
            frontier.append(path)
        else:
            part = module.get_submodule(path)
            waiting += [f"{path}.{name}" for name, _ in part.named_children()]
    return frontier


def _sides_inside(points: dict[str, TapPoint]) -> dict[str, set[int]]:
    inside: dict[str, set[int]] = {}
    for path, point in points.items():
        parent = path.rpartition(".")[0]
        while parent:
            inside.setdefault(parent, set()).add(point.height)
            parent = parent.rpartition(".")[0]
    return inside


def _spans(call: Call, points: dict[str, TapPoint], sides: set[int], input_size: int) -> bool:
    """Whether a resolution strictly between the module's input and its output appears inside it."""
    shape = call.input_shape
    is_image = len(shape) == 4 and shape[1] == IMAGE_CHANNELS and shape[2] == input_size
    if is_image or len(shape) < 3:
        enters = math.inf
    elif len(shape) == 3:
        grid = token_grid(shape[1], None)
        enters = grid[0] if grid else math.inf
    else:
        enters = shape[2] if shape[2] == shape[3] else shape[1]
    leaves = points[call.path].height if call.path in points else 1
    return any(leaves < side < enters for side in sides)


def _in_order(calls: list[Call]) -> list[Call]:
    """The longest sequence of maps that end one after the other with falling size; a map that is larger again (an
    upsampling pool, attention scores) is left out.
    """
    tails: list[int] = []
    chains: list[list[Call]] = []
    for call in calls:
        place = bisect_left(tails, call.ended)
        chain = [*(chains[place - 1] if place else []), call]
        tails[place : place + 1] = [call.ended]
        chains[place : place + 1] = [chain]
    return chains[-1] if chains else []
