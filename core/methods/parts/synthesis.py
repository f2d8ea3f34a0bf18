"""Images out of a frozen teacher, for distillation without any image of the customer. Our variant of what is known.

A generator learns along with the student, to make images that the teacher takes for real ones:
one hot (DAFL, Chen et al., ICCV 2019): CE of the teacher's logits with its own best class
balance (DAFL): sum_k q_k ln q_k of the batch's mean prediction q, at least -ln K where all classes are as frequent
activation (DAFL): minus the mean absolute value of what the classifier reads
statistics (DeepInversion, Yin et al., CVPR 2020): at each batch norm, how far mean and variance of what enters are from
the running ones, as L2 norms over channels; here the mean over batch norms, so that depth does not weigh
A method adds the adversarial term of ADI (the same paper) itself: what its student has not learned yet.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods.method import select_classes, widen
from core.networks.network import Features, Network

# DAFL's weights.
BALANCE_WEIGHT = 5.0
ACTIVATION_WEIGHT = 0.1
NOISE_WIDTH = 100
CHANNELS = 64
SMALLEST_SIDE = 8


class Generator(nn.Module):
    """Noise -> float (N, 3, V, V) in [0, 1]: a linear layer, then doublings of the side, each with a convolution."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        doublings = max(1, math.ceil(math.log2(size / SMALLEST_SIDE)))
        self.side = math.ceil(size / 2**doublings)
        self.begin = nn.Linear(NOISE_WIDTH, CHANNELS * self.side**2)
        layers: list[nn.Module] = [nn.BatchNorm2d(CHANNELS)]
        for _ in range(doublings):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(CHANNELS), nn.LeakyReLU(0.2)]
        # Standardized channels keep the contrast of natural images through the sigmoid.
        layers += [nn.Conv2d(CHANNELS, 3, 3, padding=1), nn.BatchNorm2d(3, affine=False), nn.Sigmoid()]
        self.layers = nn.Sequential(*layers)

    def forward(self, count: int) -> Tensor:
        """`count` images; the noise comes from torch's global generator."""
        noise = torch.randn(count, NOISE_WIDTH, device=self.begin.weight.device)
        start = self.begin(noise).unflatten(1, (CHANNELS, self.side, self.side))
        return self.layers(start)[..., : self.size, : self.size]


def one_hot_loss(logits: Tensor) -> Tensor:
    """CE of (N, K) logits with their own best class: small where the teacher is sure."""
    return functional.cross_entropy(widen(logits), logits.argmax(dim=1))


def balance_loss(logits: Tensor) -> Tensor:
    """Minus the entropy of the mean prediction of (N, K) logits: -ln K where every class is as frequent, at most 0."""
    mean = functional.softmax(widen(logits), dim=1).mean(dim=0)
    return -torch.special.entr(mean).sum()


@contextmanager
def batch_norm_distances(network: nn.Module) -> Iterator[list[Tensor]]:
    """Within the block, each forward adds each batch norm's distance (scalar) from its running statistics."""
    distances: list[Tensor] = []

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        entering = widen(inputs[0]).transpose(0, 1).flatten(1)
        mean = entering.mean(dim=1) - norm.get_buffer("running_mean")
        variance = entering.var(dim=1, correction=0) - norm.get_buffer("running_var")
        distances.append(torch.linalg.vector_norm(mean) + torch.linalg.vector_norm(variance))

    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None]
    handles = [norm.register_forward_pre_hook(note) for norm in norms]
    try:
        yield distances
    finally:
        for handle in handles:
            handle.remove()


def look(
    teacher: Network, class_indices: Tensor, views: Tensor, taps: Sequence[int | str], statistics_weight: float
) -> tuple[Features, dict[str, Tensor]]:
    """What a frozen teacher sees in float (N, 3, V, V) views, and the weighted terms that make them more like real
    images; both carry gradients to the views."""
    with batch_norm_distances(teacher.module) as distances:
        seen = teacher.features(views, taps)
    logits = select_classes(seen.logits, class_indices)
    read = seen.maps[-1] if seen.maps else seen.required_pooled
    statistics = torch.stack(distances).mean() if distances else logits.new_zeros(())
    return seen, {
        "one_hot": one_hot_loss(logits),
        "balance": BALANCE_WEIGHT * balance_loss(logits),
        "activation": -ACTIVATION_WEIGHT * widen(read).abs().mean(),
        "statistics": statistics_weight * widen(statistics),
    }
