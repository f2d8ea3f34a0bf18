"""Knobs of method sp; the arithmetic is in core.methods.sp."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class SpKnobs(Knobs):
    """Similarity-preserving distillation: images that are similar for the teacher should be so for the student; and
    labels.
    """

    source = "Tung and Mori, ICCV 2019, arXiv:1907.09682; formula and weight as in RepDistiller"
    fidelity = "as published"
    name: Literal["sp"] = Field("sp", description="the name of the method")
    weight: float = Field(
        3000.0, ge=0, description="weight of the squared difference of similarities, mean over pairs of images"
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    taps: Literal["last", "all"] | tuple[str, ...] = Field(
        "last", description="which maps: the last before pooling, one per resolution, or the teacher's modules by path"
    )
