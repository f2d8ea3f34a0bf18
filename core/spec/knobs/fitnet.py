"""Knobs of method fitnet; the arithmetic is in core.methods.fitnet."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class FitnetKnobs(Knobs):
    """Hints: the student's middle feature map is regressed onto the teacher's, together with labels or before them."""

    source = (
        "Romero et al., ICLR 2015, arXiv:1412.6550; one stage and its weight as in RepDistiller and mdistiller, two "
        "stages in the paper's order with our weights"
    )
    fidelity = "as published"
    name: Literal["fitnet"] = Field("fitnet", description="the name of the method")
    stages: Literal[1, 2] = Field(1, description="1: hint and labels at once; 2: the hint first, then labels and kd")
    weight: float = Field(100.0, ge=0, description="weight of the mean squared difference of the maps")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    taps: Literal["middle", "last", "all"] | tuple[str, ...] = Field(
        "middle",
        description="which maps: the middle or the last of those before pooling, one per resolution, or the teacher's "
        "modules by path",
    )
    hint_share: float = Field(0.3, gt=0, lt=1, description="two stages: share of the epochs for the first stage")
    kd_weight: float = Field(
        1.0,
        ge=0,
        description="two stages: weight of T^2 KL(teacher || student) in the second; needs common classes unless 0",
    )
    temperature: float = Field(4.0, gt=0, description="two stages: softens both sides in the second")

    def why_alone(self) -> str | None:
        """A method with two stages cannot be a term of a sum."""
        return "it has two stages; set its stages to 1" if self.stages == 2 else None
