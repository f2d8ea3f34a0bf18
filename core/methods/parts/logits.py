"""What several methods share: standardized logits, the labels of a mixed image, warm-ups, knobs left at auto."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from core.errors import SpecInvalid
from core.methods.method import widen
from core.spec import Knobs

AnyKnobs = TypeVar("AnyKnobs", bound=Knobs)


def standardized(logits: Tensor) -> Tensor:
    """Each row of (N, K) logits less its mean, over its standard deviation (of K - 1 degrees of freedom) + 1e-7.

    Logit standardization (Sun et al., CVPR 2024), as in its official code.
    """
    logits = widen(logits)
    return (logits - logits.mean(dim=1, keepdim=True)) / (logits.std(dim=1, keepdim=True) + 1e-7)


def refuse_standardizing_two_classes(num_classes: int) -> None:
    """Raise SpecInvalid where standardized logits would teach nothing: a row of two is (0.707, -0.707) or its reverse,
    whatever the network says, and has no gradient.
    """
    if num_classes == 2:
        detail = (
            "with two classes the standardized logits of every image are 0.707 and -0.707, so nothing would be learned "
            "from the teacher; allowed for two classes: false"
        )
        raise SpecInvalid([("/method/standardize", detail)])


def mean_over_labels(targets: Tensor, losses: Callable[[Tensor], Tensor]) -> Tensor:
    """The mean of `losses`, which takes int64 (N,) classes and gives (N,) values. An image that was mixed of two (rows
    of float (N, K) targets) has two labels, each counted by its share.
    """
    if not targets.is_floating_point():
        return losses(targets).mean()
    shares, classes = targets.topk(2, dim=1)
    parts = [share * losses(label) for share, label in zip(shares.unbind(1), classes.unbind(1), strict=True)]
    return torch.stack(parts).sum(dim=0).mean()


def warmed(fraction: float, warmup: float) -> float:
    """The share of a term's weight, from 0 to 1 in a line over the first `warmup` (0 to 1) of the training, of which
    `fraction` is done."""
    return min(fraction / warmup, 1.0) if warmup else 1.0


def filled(knobs: AnyKnobs, **values: float) -> AnyKnobs:
    """`knobs` with these values where they say auto."""
    return knobs.model_copy(update={name: value for name, value in values.items() if getattr(knobs, name) == "auto"})
