"""Knobs of method skd; the arithmetic is in core.methods.skd."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs
from core.spec.part import Auto


class SkdKnobs(Knobs):
    """Network specialization: the student's feature maps, through an adapter, match the teacher's; and labels."""

    source = (
        "Liu et al., CVPR Workshops 2023, doi:10.1109/CVPRW59228.2023.00339; read in its abstract alone, so the "
        "arithmetic is our variant"
    )
    fidelity = "our variant"
    name: Literal["skd"] = Field("skd", description="the name of the method")
    weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="weight of the feature term against the label term; auto: by form"
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    form: Literal["mse", "attention", "cosine", "pkd"] = Field("mse", description="how two maps are compared")
    taps: Literal["last", "all"] | tuple[str, ...] = Field(
        "last", description="which maps: the last before pooling, one per resolution, or the teacher's modules by path"
    )
