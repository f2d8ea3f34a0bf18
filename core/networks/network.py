"""One interface for networks of all libraries: pixels in; logits, pooled features and one map per resolution out.

The wrapped module is not changed. Hooks exist only during a `features` call, and only for the requested maps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from core.errors import ArchitectureUnknown, SpecInvalid, unknown
from core.networks.classifier import as_classifier, find_classifiers, pool, width
from core.networks.compiled import CompiledFeatures
from core.networks.taps import TapPoint, choose_taps, map_points
from core.networks.trace import example_pixels, logits_of, trace


@dataclass(frozen=True)
class InputFormat:
    """The input of a network: images `size` pixels high and wide, channels normalized by mean and std of [0, 1]
    pixels.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize_mode: Literal["bilinear", "bicubic"] = "bilinear"


@dataclass(frozen=True)
class Features:
    """Logits (N, K), the input of the classifier (N, D; concatenated for several classifiers that are averaged), and
    maps (N, C, H, W) in the order of the requested taps.
    """

    logits: torch.Tensor
    pooled: torch.Tensor | None
    maps: tuple[torch.Tensor, ...]

    @property
    def required_pooled(self) -> torch.Tensor:
        """`pooled`, for a reader that has asked for it; raises RuntimeError where it was not kept."""
        if self.pooled is None:
            raise RuntimeError("these features have no pooled part: they were stored without it")
        return self.pooled

    def clone(self) -> "Features":
        """A copy in memory of its own."""
        pooled = self.pooled.clone() if self.pooled is not None else None
        return Features(self.logits.clone(), pooled, tuple(each.clone() for each in self.maps))


class Network(nn.Module):
    """A classifier with its input format. `module.state_dict()` has the keys of the plain library model.

    `tap_points` go from shallow to deep, the last one before pooling. `classifier_path` names the final layer inside
    `module`; `pooled_width` is the width of what enters it.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, module: nn.Module, *, architecture: str, num_classes: int, input: InputFormat) -> None:
        """Runs one forward pass on a grey image to find taps and classifier; module and random state do not change.

        Raises ArchitectureUnknown if it does not map (1, 3, S, S) to (1, K) by a linear or convolutional classifier.
        """
        super().__init__()
        self.module = module
        self.architecture = architecture
        self.num_classes = num_classes
        self.with_input(input)
        self._discover()
        self._compiled: CompiledFeatures[Features] | None = None

    def compile_features(self, notify: Callable[[str], None] | None = None) -> None:
        """Compile `features` with torch.compile from now on; `notify` is called with the reason if that fails."""
        self._compiled = CompiledFeatures(self, notify)

    def uncompiled(self) -> "Network":
        """The network as it was before `compile_features`: for copying and exporting."""
        self._compiled = None
        return self

    def with_input(self, input: InputFormat) -> "Network":
        """Use another normalization for the same input size; returns the network."""
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        self.input = input
        for name, values in (("mean", input.mean), ("std", input.std)):
            self.register_buffer(name, torch.tensor(values, device=device).view(1, 3, 1, 1), persistent=False)
        return self

    def _discover(self) -> None:
        calls, logits_shape = trace(self.module, example_pixels(self.module, self.input.size))
        classifiers = find_classifiers(calls, self.num_classes)
        if logits_shape != (1, self.num_classes) or not classifiers:
            raise ArchitectureUnknown(
                f"{self.architecture} gave outputs of shape {logits_shape} for one image, expected "
                f"(1, {self.num_classes}) from a linear or convolutional classifier",
                hint="choose a network made for classification",
            )
        self.classifier_paths = tuple(call.path for call in classifiers)
        self.pooled_width = sum(width(as_classifier(call.module)) for call in classifiers)
        self.points = map_points(self.module, calls)
        started = min(call.started for call in classifiers)
        self.tap_points = choose_taps(self.module, calls, self.points, started, self.input.size)

    @property
    def classifier_path(self) -> str:
        """Path of the final classifier inside `module`."""
        return self.classifier_paths[0]

    @property
    def classifier(self) -> nn.Linear | nn.Conv2d:
        """The final classifier itself."""
        return as_classifier(self.module.get_submodule(self.classifier_path))

    def prepare(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (N, 3, V, V) in [0, 1] -> the module's input (N, 3, S, S): resized if V differs from S, normalized."""
        size = self.input.size
        if pixels.shape[-2:] != (size, size):
            pixels = F.interpolate(pixels, (size, size), mode=self.input.resize_mode, antialias=True).clamp(0, 1)
        return (pixels - self.mean) / self.std

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (N, 3, V, V) in [0, 1] -> logits (N, K)."""
        return logits_of(self.module(self.prepare(pixels)))

    def features(self, pixels: torch.Tensor, taps: Sequence[str | int] = (-1,)) -> Features:
        """One forward pass that also returns feature maps. A tap is an index into `tap_points` or a module path in
        `points`.

        Raises SpecInvalid for a tap that does not exist.
        """
        points = [self.tap(tap) for tap in taps]
        if self._compiled is not None:
            return self._compiled.features(pixels, tuple(points))
        return self.observed(pixels, points)

    def observed(self, pixels: torch.Tensor, points: Sequence[TapPoint]) -> Features:
        """`features` without compilation."""
        seen: dict[str, torch.Tensor] = {}
        entered: dict[str, torch.Tensor] = {}
        handles = [self._keep_input(path, entered) for path in self.classifier_paths]
        try:
            for point in points:
                handles.append(self._keep(point.path, seen))
            logits = self.forward(pixels)
        finally:
            for handle in handles:
                handle.remove()
        pooled = torch.cat([pool(entered[path]) for path in self.classifier_paths], dim=1)
        return Features(logits, pooled, tuple(point.as_map(seen[point.path]) for point in points))

    def _keep_input(self, path: str, entered: dict[str, torch.Tensor]) -> torch.utils.hooks.RemovableHandle:
        part = self.module.get_submodule(path)
        return part.register_forward_pre_hook(lambda _, inputs: entered.update({path: inputs[0]}))

    def _keep(self, path: str, seen: dict[str, torch.Tensor]) -> torch.utils.hooks.RemovableHandle:
        part = self.module.get_submodule(path)
        return part.register_forward_hook(lambda _, inputs, output: seen.update({path: output}))

    def tap(self, tap: str | int) -> TapPoint:
        """The tap point of an index or module path; raises SpecInvalid, which names the taps that exist."""
        if isinstance(tap, int):
            if not -len(self.tap_points) <= tap < len(self.tap_points):
                raise _no_tap(f"{self.architecture} has {len(self.tap_points)} taps; there is no tap {tap}")
            return self.tap_points[tap]
        if tap not in self.points:
            raise _no_tap(f"{self.architecture}: {unknown('tap', tap, self.points)}")
        return self.points[tap]


def _no_tap(detail: str) -> SpecInvalid:
    return SpecInvalid([("/method/taps", detail)])
