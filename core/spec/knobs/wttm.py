"""Knobs of method wttm; the arithmetic is in core.methods.wttm."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class WttmKnobs(Knobs):
    """Soft labels of a teacher with a temperature, matched by a student without one; smooth targets weigh more."""

    source = (
        "Zheng and Yang, Knowledge Distillation Based on Transformed Teacher Matching, ICLR 2024, arXiv:2402.11148; "
        "formula as in the authors' code"
    )
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["wttm"] = Field("wttm", description="tells the methods apart")
    temperature: float = Field(
        5.0, gt=0, description="softens the teacher alone; the paper's exponent gamma is 1 / temperature"
    )
    weight: float = Field(
        4.0, ge=0, description="of the divergence; the authors tune it for each pair of networks, 4 to 45"
    )
    weighted: bool = Field(
        True, description="each image's divergence is multiplied by the power sum of its target; false: TTM"
    )
    label_weight: float = Field(1.0, ge=0, description="of the cross-entropy")
