"""Knobs of method srd; the arithmetic is in core.methods.srd."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class SrdKnobs(Knobs):
    """The student's pooled features, through a linear projector, match the teacher's (both standardized); and soft
    labels.
    """

    source = "Miles and Mikolajczyk, AAAI 2024, arXiv:2303.11098; formula and weights read in torchdistill"
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["srd"] = Field("srd", description="the name of the method")
    feature_weight: float = Field(2.0, ge=0, description="weight of the logarithm of the features' distance")
    exponent: float = Field(4.0, ge=1, le=8, description="of each difference of features")
    weight: float = Field(1.0, ge=0, description="weight of T^2 KL(teacher || student)")
    temperature: float = Field(1.0, gt=0, description="temperature of both softmaxes")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
