"""A teacher's head in a form that a student can reuse: its input, the layers after pooling, and the last linear layer.

Most heads are layers after the average of the last map; then the map is the student's target (`map`). For other heads
(a class token, flattened maps, a ReLU that is not a module) the input of the last layer is the target (`vector`), and
the head is that layer alone. Which of the two a teacher has is found by trying: the rebuilt head must give its logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import SpecInvalid
from core.networks.classifier import as_classifier
from core.networks.network import Network
from core.networks.projected import ACTIVATIONS, Projected, build_neck
from core.networks.trace import example_pixels, trace, undisturbed
from core.system.seeds import seeded

# The rebuilt head gives the teacher's logits up to rounding; a wrong head differs by about the size of the logits.
TOLERANCE = 5e-3
PROBES = 4


@dataclass(frozen=True)
class Head:
    """A teacher's head. `channels` is the target's width C or D, `signed` whether it has negative values."""

    form: Literal["map", "vector"]
    channels: int
    side: int | None
    """H = W of the map; None for a vector."""
    signed: bool
    names: tuple[str, ...]
    """The layers between pooling and the last one, as core.spec.projected calls them."""
    neck: nn.Sequential
    """Copies of those layers."""
    weight: Tensor
    """(K_teacher, D)."""
    bias: Tensor
    """(K_teacher,)."""


def read_head(teacher: Network) -> Head:
    """The head of a teacher, tried on noise in eval mode.

    Raises SpecInvalid if its logits are not a linear function of the classifier's input.
    """
    pixels = example_pixels(teacher.module, teacher.input.size)
    weight, bias = _classifier(teacher)
    with undisturbed(teacher.module):
        with seeded(0, "probe"):
            noise = torch.rand(PROBES, *pixels.shape[1:]).to(pixels.device, pixels.dtype)
        seen = teacher.features(noise, (-1,) if teacher.tap_points else ())
        pooled = seen.required_pooled
        for target in (*seen.maps, pooled):
            is_map = target.dim() == 4
            names, neck = (_neck(teacher, target.shape[1]) if is_map else None) or ((), nn.Sequential())
            entering = neck(target.mean(dim=(2, 3)) if is_map else target)
            if _agree(entering, pooled) and _agree(functional.linear(pooled, weight, bias), seen.logits):
                side, signed = target.shape[2] if is_map else None, bool((target < 0).any())
                form: Literal["map", "vector"] = "map" if is_map else "vector"
                return Head(form, target.shape[1], side, signed, names, neck, weight, bias)
    detail = (
        f"{teacher.architecture}: its logits are not linear in what enters its classifier, so that cannot be reused"
    )
    raise SpecInvalid([("/teacher", f"{detail}; choose a method that compares features or logits, such as skd")])


def take_over(student: Projected, heads: Sequence[Head], indices: Sequence[Tensor]) -> None:
    """Copy the heads into the student and freeze them there; `indices` are the customer's classes in each."""
    copies = [(head.weight[its], head.bias[its]) for head, its in zip(heads, indices, strict=True)]
    with torch.no_grad():
        student.classifier.weight.copy_(torch.cat([weight for weight, _ in copies], dim=1) / len(heads))
        student.classifier.bias.copy_(torch.stack([bias for _, bias in copies]).mean(dim=0))
    for neck, head in zip(student.necks, heads, strict=True):
        neck.load_state_dict(head.neck.state_dict())
    student.necks.requires_grad_(False)
    student.classifier.requires_grad_(False)


def _agree(rebuilt: Tensor, own: Tensor) -> bool:
    scale = own.abs().max().clamp(min=1e-12)
    return rebuilt.shape == own.shape and bool((rebuilt - own).abs().max() <= TOLERANCE * scale)


def _classifier(teacher: Network) -> tuple[Tensor, Tensor]:
    """Weight (K, D) and bias (K,) of the last layer. Several averaged layers (DeiT has two) become one layer of all
    their inputs.
    """
    parts = [as_classifier(teacher.module.get_submodule(path)) for path in teacher.classifier_paths]
    weight = torch.cat([part.weight.detach().flatten(1) for part in parts], dim=1) / len(parts)
    return weight, torch.stack([_bias(part, len(weight)) for part in parts]).mean(dim=0)


def _neck(teacher: Network, channels: int) -> tuple[tuple[str, ...], nn.Sequential] | None:
    """Names and copies of the layers between the last map and the classifier; None if they are of an unknown kind.

    Modules without weights that are not activations are left out: pooling, flattening, dropout.
    """
    calls, _ = trace(teacher.module, example_pixels(teacher.module, teacher.input.size))
    ended = next(call.ended for call in calls if call.path == teacher.tap_points[-1].path)
    late = [call for call in calls if call.started > ended and call.path not in teacher.classifier_paths]
    leaves = [call.module for call in sorted(late, key=lambda call: call.started) if not any(call.module.children())]
    named = [(_name(leaf), leaf) for leaf in leaves]
    if any(name is None and leaf.state_dict() for name, leaf in named):
        return None
    names = tuple(name for name, _ in named if name is not None)
    neck, _ = build_neck(names, channels)
    for layer, leaf in zip(neck, (leaf for name, leaf in named if name is not None), strict=True):
        if not leaf.state_dict():
            continue
        weight = leaf.get_parameter("weight").detach()
        weight = weight.flatten(1) if weight.dim() > 1 else weight
        if weight.shape != layer.get_parameter("weight").shape:
            return None
        layer.load_state_dict({"weight": weight, "bias": _bias(leaf, len(weight))})
    return names, neck.to(teacher.classifier.weight)


def _name(layer: nn.Module) -> str | None:
    if isinstance(layer, nn.Linear):
        return f"linear{layer.out_features}"
    if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1:
        return f"linear{layer.out_channels}"
    if isinstance(layer, nn.LayerNorm) and layer.weight is not None:
        exponent = next((n for n in range(1, 13) if abs(layer.eps * 10.0**n - 1) < 1e-6), None)
        return None if exponent is None else f"layernorm{exponent}"
    kind = type(layer).__name__.lower()  # timm has classes of its own for some
    return kind if kind in ACTIVATIONS and getattr(layer, "approximate", "none") == "none" else None


def _bias(layer: nn.Module, width: int) -> Tensor:
    if isinstance(bias := getattr(layer, "bias", None), Tensor):
        return bias.detach()
    return layer.get_parameter("weight").new_zeros(width)
