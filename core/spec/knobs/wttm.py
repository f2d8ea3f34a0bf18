"""Knobs of method wttm; the arithmetic is in core.methods.wttm."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class WttmKnobs(Knobs):
    """The student, without a temperature, matches the teacher's soft labels with one; smooth soft labels count more."""

    source = (
        "Zheng and Yang, Knowledge Distillation Based on Transformed Teacher Matching, ICLR 2024, arXiv:2402.11148; "
        "formula as in the authors' code"
    )
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["wttm"] = Field("wttm", description="the name of the method")
    temperature: float = Field(
        5.0,
        gt=0,
        description="temperature of the teacher's softmax alone; the paper's exponent gamma is 1 / temperature",
    )
    weight: float = Field(
        4.0, ge=0, description="weight of the divergence; the authors tune it for each pair of networks, 4 to 45"
    )
    weighted: bool = Field(
        True, description="each image's divergence is multiplied by the power sum of its target; false: TTM"
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
