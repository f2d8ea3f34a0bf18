"""The reliability diagram: the student's accuracy for each level of its confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SIZE = 240.0
LEFT, TOP = 38.0, 8.0


@dataclass(frozen=True)
class Bar:
    """One bin: a bar of `height` above the baseline for the accuracy, and `ideal` where it would be if calibrated."""

    x: float
    width: float
    height: float
    ideal: float
    weight: float
    text: str


def reliability_bars(bins: Sequence[dict[str, Any]]) -> list[Bar]:
    """A bar for each bin that has images; `weight` is its share of the images of the fullest bin."""
    fullest = max((bin_["count"] for bin_ in bins), default=0)
    return [
        Bar(
            x=bin_["lower"] * SIZE,
            width=(bin_["upper"] - bin_["lower"]) * SIZE,
            height=bin_["accuracy"] * SIZE,
            ideal=bin_["confidence"] * SIZE,
            weight=bin_["count"] / fullest,
            text=f"{bin_['count']} images, {bin_['confidence']:.1%} sure on average, {bin_['accuracy']:.1%} right",
        )
        for bin_ in bins
        if bin_["count"]
    ]
