"""Class attention transfer (CAT-KD; Guo et al., CVPR 2023), read in the authors' code.

L = a CE(z_s, y) + b mean over N, K and positions of (A(M_s) - A(M_t))^2

M (N, K, H, W) are the class activation maps of a network: its classifier, a linear layer W (K, C), b (K,), applied to
every position of the last feature map f (N, C, H, W), M_k = sum_c W_kc f_c + b_k. Their mean over the positions is the
network's logits. A averages to r x r positions (fewer where a map is smaller) and scales each map to length 1 where
`normalize` is set. The teacher's maps are restricted to the customer's classes.

The authors move the classifier in front of the pooling and take its bias away; here the networks stay as they are. A
network whose classifier does not read the average of its last map has no such maps and is refused.
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import SpecInvalid
from core.methods.contract import Batch, MethodContext, Needs
from core.methods.method import Method, widen
from core.methods.parts.idle import refuse
from core.networks.network import Features, Network
from core.networks.trace import example_pixels, undisturbed
from core.spec.knobs.catkd import CatkdKnobs
from core.system.seeds import seeded

# The mean of the maps gives the logits up to rounding; of another architecture it is off by as much as they are large.
TOLERANCE = 5e-3
PROBES = 4


def class_maps(feature_map: Tensor, weight: Tensor, bias: Tensor | None, *, resolution: int) -> Tensor:
    """(N, K, r, r) class activation maps of (N, C, H, W) by a classifier (K, C), (K,); r is at most H and W."""
    side = min(resolution, *feature_map.shape[2:])
    # Averaging and the classifier are linear: in this order the classifier has fewer positions to read.
    averaged = functional.adaptive_avg_pool2d(widen(feature_map), side)
    with torch.autocast(feature_map.device.type, enabled=False):
        return functional.conv2d(averaged, widen(weight)[..., None, None], None if bias is None else widen(bias))


def catkd_loss(student_maps: Tensor, teacher_maps: Tensor, *, normalize: bool) -> Tensor:
    """Mean squared difference of two (N, K, r, r) maps, each of length 1 where `normalize` is set."""
    if normalize:
        student_maps, teacher_maps = _of_length_one(student_maps), _of_length_one(teacher_maps)
    return functional.mse_loss(student_maps, teacher_maps)


def _of_length_one(maps: Tensor) -> Tensor:
    return functional.normalize(maps, dim=(2, 3))  # type: ignore[arg-type]  # torch's annotation knows one dim only


class Catkd(Method):
    """Labels, and where in the image each class is seen by the teacher."""

    knobs: CatkdKnobs

    def __init__(self, knobs: CatkdKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        for network, pointer in ((context.student, "/student/architecture"), (context.required_teacher, "/teacher")):
            _refuse_without_class_maps(network, pointer)
        sides = [network.tap(-1).height for network in (context.student, context.required_teacher)]
        self.resolution = min(knobs.resolution, *sides)
        if knobs.normalize and self.resolution == 1:
            refuse(
                "normalize",
                f"maps of a single position are 1 or -1 when they are scaled to length 1, so nothing is learned (last "
                f"feature maps: {sides[0]} and {sides[1]} positions a side, resolution: {knobs.resolution}); allowed "
                "there: false",
            )
        self.needs = Needs(teacher_taps=(-1,), student_taps=(-1,))

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """`label`: a CE; `catkd`: b times the difference of the maps."""
        weight, bias = _classifier(self.context.required_teacher)
        classes = self.context.class_indices
        theirs = (weight[classes], None if bias is None else bias[classes])
        maps = (
            class_maps(feature_map, *classifier, resolution=self.resolution)
            for feature_map, classifier in (
                (student.maps[-1], _classifier(self.context.student)),
                (batch.required_teacher.maps[-1], theirs),
            )
        )
        return {
            "label": self.knobs.label_weight * self.label_loss(student.logits, batch),
            "catkd": self.knobs.weight * catkd_loss(*maps, normalize=self.knobs.normalize),
        }


def _classifier(network: Network) -> tuple[Tensor, Tensor | None]:
    """(K, C), (K,)."""
    return network.classifier.weight.flatten(1), network.classifier.bias


def _refuse_without_class_maps(network: Network, pointer: str) -> None:
    """Raise SpecInvalid unless the network's logits are the mean of its class activation maps, tried on noise."""
    with undisturbed(network.module), torch.no_grad():
        pixels = example_pixels(network.module, network.input.size)
        with seeded(0, "probe"):
            noise = torch.rand(PROBES, *pixels.shape[1:]).to(pixels.device, pixels.dtype)
        seen = network.features(noise, (-1,) if network.tap_points else ())
        weight, bias = _classifier(network)
        if seen.maps and weight.shape[1] == seen.maps[0].shape[1] and len(network.classifier_paths) == 1:
            means = class_maps(seen.maps[0], weight, bias, resolution=1).flatten(1)
            if (means - seen.logits).abs().max() <= TOLERANCE * seen.logits.abs().max().clamp(min=1e-12):
                return
    detail = f"{network.architecture} has no class activation maps: its classifier does not read its last map's average"
    raise SpecInvalid([(pointer, f"{detail}; choose another network, or a method such as kd")])
