"""Knobs of method pkt; the arithmetic is in core.methods.pkt."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class PktKnobs(Knobs):
    """Probabilistic knowledge transfer: images that are neighbours for the teacher should be so for the student; and
    labels.
    """

    source = "Passalis and Tefas, ECCV 2018, arXiv:1803.10837; formula and weight as in RepDistiller"
    fidelity = "as published"
    name: Literal["pkt"] = Field("pkt", description="the name of the method")
    weight: float = Field(30000.0, ge=0, description="weight of the divergence, mean over pairs of images")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
