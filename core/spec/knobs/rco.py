"""Knobs of method rco; the arithmetic is in core.methods.rco."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs
from core.spec.part import Auto


class RcoKnobs(Knobs):
    """Route constrained optimization: the student follows the checkpoints of the teacher's own training."""

    source = (
        "Jin et al., ICCV 2019, arXiv:1904.09149; read in its abstract: anchors as published, greedy rule and "
        "weights are our variant"
    )
    fidelity = "our variant"
    needs = ("teacher", "labels", "common classes", "trajectory")
    can_be_combined = False
    name: Literal["rco"] = Field("rco", description="tells the methods apart")
    form: Literal["logits", "features"] = Field(
        "logits",
        description="what of an anchor is learned: its soft labels as by kd, or its last feature map as by skd",
    )
    num_anchors: int = Field(4, ge=1, le=1000, description="checkpoints that teach, the finished teacher among them")
    route: Literal["equal_interval", "greedy"] = Field(
        "equal_interval",
        description="which checkpoints: evenly spaced, or each time the furthest that is not too hard for the student",
    )
    max_hardness: float = Field(
        1.2, gt=1, description="greedy: most loss of the next anchor, as a multiple of the present one's"
    )
    budget: Literal["one_stage", "multi_stage"] = Field(
        "one_stage", description="the job's epochs shared among the anchors, or spent on each anchor"
    )
    temperature: float = Field(4.0, gt=0, description="logits: softens both sides")
    weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="of the anchor's term; auto: as kd or skd has it"
    )
    label_weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="of the cross-entropy; auto: as kd or skd has it"
    )
