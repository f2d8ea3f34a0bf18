"""Knobs of method dkd; the arithmetic is in core.methods.dkd."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs
from core.spec.part import Auto


class DkdKnobs(Knobs):
    """Hinton's distillation in two parts with weights of their own: the label against the rest, and the rest (DKD)."""

    source = (
        "Zhao et al., Decoupled Knowledge Distillation, CVPR 2022; formula and weights as in the authors' code "
        "(mdistiller); standardize: Sun et al., CVPR 2024"
    )
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["dkd"] = Field("dkd", description="the name of the method")
    standardize: bool = Field(False, description="true: the logits of each image are standardized on both sides")
    temperature: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="temperature of both softmaxes; auto: 4, or 2 with standardize"
    )
    weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="weight of both parts; auto: 1, or 9 with standardize"
    )
    alpha: float = Field(1.0, ge=0, description="of the label against the rest")
    beta: float = Field(
        8.0, ge=0, description="of the classes other than the label; the paper has 2 to 8, by pair of networks"
    )
    warmup: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the training over which the weight rises; the authors: 20 of 240 epochs, which was worse "
        "in trainings of some hundred steps",
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
