"""Knobs of method rkd; the arithmetic is in core.methods.rkd."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class RkdKnobs(Knobs):
    """Relational distillation: distances and angles between images, and labels."""

    source = "Park et al., CVPR 2019, arXiv:1904.05068; formula and weights as in RepDistiller"
    fidelity = "as published"
    name: Literal["rkd"] = Field("rkd", description="the name of the method")
    distance_weight: float = Field(25.0, ge=0, description="weight of the difference of pairwise distances")
    angle_weight: float = Field(50.0, ge=0, description="weight of the difference of angles in triplets")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
