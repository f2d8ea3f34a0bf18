"""Knobs of method reviewkd; the arithmetic is in core.methods.reviewkd."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class ReviewkdKnobs(Knobs):
    """Knowledge review: the teacher's maps from the student's maps and all deeper ones, and labels."""

    source = (
        "Chen et al., CVPR 2021, arXiv:2104.09044; fusion, distance and weight as in mdistiller, but with maps after "
        "the activation"
    )
    fidelity = "our variant"
    name: Literal["reviewkd"] = Field("reviewkd", description="the name of the method")
    weight: float = Field(
        5.0,
        ge=0,
        description="weight of the distances, summed over levels; the authors have 0.6 to 8, by pair of networks",
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    warmup: float = Field(
        0.08, ge=0, le=1, description="share of the training over which the weight rises; the authors: 20 of 240 epochs"
    )
    taps: Literal["last", "all"] | tuple[str, ...] = Field(
        "all",
        description="which maps: the last before pooling, one per resolution, or the teacher's modules by path, "
        "shallow to deep",
    )
