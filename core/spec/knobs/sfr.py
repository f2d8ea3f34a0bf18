"""Knobs of method sfr; the arithmetic is in core.methods.sfr."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class SfrKnobs(Knobs):
    """No teacher: earlier feature maps learn from the deepest one, and label smoothing grows (our variant of a
    withdrawn paper).
    """

    source = "arXiv:2103.07350, withdrawn for errors in its data, so no result is quoted; our variant of its abstract"
    fidelity = "our variant"
    needs = ("labels",)
    name: Literal["sfr"] = Field("sfr", description="the name of the method")
    weight: float = Field(0.5, ge=0, description="weight of the local term; 0: no features are compared")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    matched: bool = Field(
        True, description="match positions of the maps by the earth mover's distance; false: compare equal positions"
    )
    channels: Literal["many_to_one", "adapter"] = Field(
        "many_to_one",
        description="several channels of the deep map teach one of the earlier map, or the earlier map is taken to as "
        "many channels by a learned 1x1 convolution",
    )
    smoothing: float = Field(
        0.1, ge=0, le=1, description="how much training.label_smoothing grows until the end; 0: not at all"
    )
    grid: int = Field(
        4, ge=1, le=14, description="positions per side to which maps are averaged before they are matched"
    )
    taps: Literal["all"] | Annotated[tuple[str, ...], Field(min_length=2)] = Field(
        "all", description="one map per resolution, or the student's modules by path; the last one teaches"
    )
