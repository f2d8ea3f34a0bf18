"""Knobs of method mlkd; the arithmetic is in core.methods.mlkd."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs
from core.spec.part import Auto


class MlkdKnobs(Knobs):
    """The teacher's soft labels at three levels (image, batch, classes), in a weak and a strong view; costs double."""

    source = (
        "Jin, Wang and Lin, Multi-Level Logit Distillation, CVPR 2023; without three defects of its code, which "
        "paper_code brings back; standardize: Sun et al., CVPR 2024"
    )
    fidelity = "our variant"
    needs = ("teacher", "labels", "common classes")
    name: Literal["mlkd"] = Field("mlkd", description="the name of the method")
    standardize: bool = Field(
        False, description="true: the image-level term sees logits that are standardized image by image"
    )
    weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto",
        description="weight of the image level, a mean over five temperatures; auto: 4.5, with standardize 9 (our "
        "variant; paper_code: 45)",
    )
    relation_weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto",
        description="weight of the levels of batch and classes; auto: `weight`, or with standardize a tenth of it, "
        "since their logits are not standardized (our variant; paper_code: `weight`)",
    )
    label_weight: float = Field(0.1, ge=0, description="weight of the cross-entropy of each view")
    paper_code: bool = Field(False, description="true: with the quirks of the published code, to reproduce its numbers")
