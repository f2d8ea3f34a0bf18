"""Knobs of method pkd; the arithmetic is in core.methods.pkd."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class PkdKnobs(Knobs):
    """The student's feature maps should correlate with the teacher's, channel by channel; and labels."""

    source = "Cao et al., NeurIPS 2022, arXiv:2207.02039; made for detectors, so its use for classifiers is our variant"
    fidelity = "our variant"
    name: Literal["pkd"] = Field("pkd", description="the name of the method")
    weight: float = Field(10.0, ge=0, description="weight of 1 minus the correlation, mean over channels")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    taps: Literal["last", "all"] | tuple[str, ...] = Field(
        "all", description="which maps: one per resolution, the last before pooling, or the teacher's modules by path"
    )
