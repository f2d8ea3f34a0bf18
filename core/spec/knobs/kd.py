"""Knobs of method kd; the arithmetic is in core.methods.kd."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs
from core.spec.part import Auto


class KdKnobs(Knobs):
    """Hinton's distillation: the student learns the teacher's soft labels over the chosen classes, and labels."""

    source = (
        "Hinton, Vinyals and Dean 2015, arXiv:1503.02531; weights as in RepDistiller; standardize: Sun et al., CVPR "
        "2024"
    )
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["kd"] = Field("kd", description="the name of the method")
    standardize: bool = Field(False, description="true: the logits of each image are standardized on both sides")
    temperature: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="temperature of both softmaxes; auto: 4, or 2 with standardize"
    )
    weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="weight of T^2 KL(teacher || student); auto: 0.9, or 9 with standardize"
    )
    label_weight: float = Field(0.1, ge=0, description="weight of the cross-entropy")
