"""Knobs of method tcs; the arithmetic is in core.methods.tcs."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class TcsKnobs(Knobs):
    """The student learns the principal components of the teacher's features, which are computed once (TCS; our
    variant).
    """

    source = "Zhou, Zhu and Wu, AAAI 2025, arXiv:2412.09388; read in summaries alone, so the arithmetic is our variant"
    fidelity = "our variant"
    name: Literal["tcs"] = Field("tcs", description="the name of the method")
    coordinates: int = Field(64, ge=1, le=4096, description="principal directions kept, at most the teacher's width")
    weight: float = Field(
        1.0, ge=0, description="weight of the mean squared distance, which is 1 for a student that ignores it"
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
