"""Knobs of method catkd; the arithmetic is in core.methods.catkd."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class CatkdKnobs(Knobs):
    """Class attention transfer: the teacher's class activation maps, averaged to a few positions, and labels."""

    source = (
        "Guo et al., Class Attention Transfer Based Knowledge Distillation, CVPR 2023; formula as in the authors' "
        "code, with each classifier's bias in its maps"
    )
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["catkd"] = Field("catkd", description="the name of the method")
    weight: float = Field(
        1.0,
        ge=0,
        description="weight of the mean squared difference of the maps; the authors tune it for each pair of "
        "networks, 0.5 to 15, so that the term is 1 to 50 after the first epoch",
    )
    resolution: int = Field(
        2, ge=1, le=14, description="maps are averaged to so many positions a side; the authors: 2, ImageNet 4"
    )
    normalize: bool = Field(False, description="each map is scaled to length 1 first; the authors' settings do not")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
