"""Knobs of method srd; the arithmetic is in core.methods.srd."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class SrdKnobs(Knobs):
    """The teacher's pooled features through a linear projector, both standardized over the batch, and soft labels."""

    source = "Miles and Mikolajczyk, AAAI 2024, arXiv:2303.11098; formula and weights read in torchdistill"
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["srd"] = Field("srd", description="tells the methods apart")
    feature_weight: float = Field(2.0, ge=0, description="of the logarithm of the features' distance")
    exponent: float = Field(4.0, ge=1, le=8, description="of each difference of features")
    weight: float = Field(1.0, ge=0, description="of T^2 KL(teacher || student)")
    temperature: float = Field(1.0, gt=0, description="softens both sides")
    label_weight: float = Field(1.0, ge=0, description="of the cross-entropy")
