"""A student with its teachers' classifier: encoder, one projector for each teacher, one linear layer (method simkd).

Shapes: the encoder's last map N C_s H H; projector i: N C_i H_i H_i; pooled and joined N D with D = sum of the widths;
logits N K. Several teachers' averaged outputs are one linear layer of their joined features: the classifiers side by
side, divided by their number. core.spec.projected says how such a network is called.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import SpecInvalid
from core.networks.network import Network
from core.networks.taps import TapPoint
from core.networks.trace import example_pixels, trace
from core.spec.projected import Projection, name_projected

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "tanh": nn.Tanh,
}


def build_projector(channels: int, projection: Projection) -> nn.Sequential:
    """N C_s H H -> N C_t H H (SimKD, Chen et al., CVPR 2022): 1x1, 3x3 and 1x1 convolutions, C_t / factor wide inside,
    each with batch norm and ReLU; the last ReLU only for features that are never negative.
    """
    inner = projection.channels // projection.factor
    layers = [
        *(nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
        *(nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
        *(nn.Conv2d(inner, projection.channels, 1, bias=False), nn.BatchNorm2d(projection.channels)),
    ]
    return nn.Sequential(*layers, *([] if projection.signed else [nn.ReLU()]))


def build_neck(names: Sequence[str], channels: int) -> tuple[nn.Sequential, int]:
    """The layers of these names between pooling and classifier, (N, C_t) -> (N, D); and D."""
    width = channels
    layers: list[nn.Module] = []
    for name in names:
        if name.startswith("linear"):
            outputs = int(name.removeprefix("linear"))
            layers.append(nn.Linear(width, outputs))
            width = outputs
        elif name.startswith("layernorm"):
            layers.append(nn.LayerNorm(width, eps=10.0 ** -int(name.removeprefix("layernorm"))))
        else:
            layers.append(ACTIVATIONS[name]())
    return nn.Sequential(*layers), width


class Projected(nn.Module):
    """Normalized pixels N 3 S S -> logits N K."""

    def __init__(self, encoder: nn.Module, tap: TapPoint, projections: Sequence[Projection], num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.projections = tuple(projections)
        self.projectors = nn.ModuleList(build_projector(tap.channels, each) for each in projections)
        necks = [build_neck(each.neck, each.channels) for each in projections]
        self.necks = nn.ModuleList(neck for neck, _ in necks)
        self.classifier = nn.Linear(sum(width for _, width in necks), num_classes)
        self._tap = tap
        self._kept: list[object] = []
        # A bound method: a deep copy of the module binds it to the copy.
        encoder.get_submodule(tap.path).register_forward_hook(self._keep)

    def _keep(self, part: nn.Module, inputs: tuple, output: object) -> None:
        self._kept[:] = [output]

    def project(self, pixels: Tensor) -> list[Tensor]:
        """Normalized pixels -> each projector's map, N C_i H_i H_i."""
        self.encoder(pixels)
        encoded = self._tap.as_map(self._kept.pop())
        return [
            projector(functional.adaptive_avg_pool2d(encoded, each.side) if each.side else encoded)
            for projector, each in zip(self.projectors, self.projections, strict=True)
        ]

    def classify(self, maps: Sequence[Tensor]) -> Tensor:
        """The projectors' maps (or the teachers' own) -> logits N K."""
        pooled = [neck(one.mean(dim=(2, 3))) for neck, one in zip(self.necks, maps, strict=True)]
        return self.classifier(torch.cat(pooled, dim=1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalized pixels N 3 S S -> logits N K."""
        return self.classify(self.project(pixels))


def project(network: Network, projections: Sequence[Projection], num_classes: int) -> Network:
    """The network's encoder with new projectors and a new classifier (current random state).

    `network.module` becomes the encoder and loses all that comes after its last map, its own classifier included.
    Raises SpecInvalid if the network does not run without them.
    """
    tap = network.tap_points[-1] if network.tap_points else network.tap(-1)
    _cut(network, tap)
    module = Projected(network.module, tap, projections, num_classes)
    parameter = next(network.module.parameters())
    architecture = name_projected(network.architecture, projections)
    module.to(parameter.device, parameter.dtype).train(network.training)
    projected = Network(module, architecture=architecture, num_classes=num_classes, input=network.input)
    for order, each in enumerate(projections):
        # Taken from the tap: for a map that is as wide as high, the shape does not tell the layout.
        path, side = f"projectors.{order}", each.side or tap.height
        projected.points[path] = TapPoint(path, each.channels, side, side)
    return projected


def _cut(network: Network, tap: TapPoint) -> None:
    """Replace each layer with weights that starts after the tap by an identity."""
    module, pixels = network.module, example_pixels(network.module, network.input.size)
    calls, _ = trace(module, pixels)
    ended = next(call.ended for call in calls if call.path == tap.path)
    late = [call for call in calls if call.started > ended and call.module.state_dict()]
    for call in sorted(late, key=lambda call: call.path.count(".")):
        if call.path in dict(module.named_modules()):  # not inside a layer that is already replaced
            module.set_submodule(call.path, nn.Identity())
    try:
        trace(module, pixels)
    except Exception as error:  # whatever a forward raises that wanted more than the map
        detail = f"{network.architecture} cannot be cut after its last map ({tap.path}): {error}"
        raise SpecInvalid([("/student/architecture", f"{detail}. Choose another student")]) from error
