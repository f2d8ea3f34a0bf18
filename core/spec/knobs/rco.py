"""Knobs of method rco; the arithmetic is in core.methods.rco."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs
from core.spec.part import Auto


class RcoKnobs(Knobs):
    """Route constrained optimization: the student learns from checkpoints of the teacher's own training, one after
    another.
    """

    source = (
        "Jin et al., ICCV 2019, arXiv:1904.09149; read in its abstract: anchors as published, greedy rule and "
        "weights are our variant"
    )
    fidelity = "our variant"
    needs = ("teacher", "labels", "common classes", "trajectory")
    can_be_combined = False
    name: Literal["rco"] = Field("rco", description="the name of the method")
    form: Literal["logits", "features"] = Field(
        "logits",
        description="what the student learns from a checkpoint: its soft labels as in kd, or its last feature map as "
        "in skd",
    )
    num_anchors: int = Field(
        4, ge=1, le=1000, description="number of checkpoints that are used, the finished teacher included"
    )
    route: Literal["equal_interval", "greedy"] = Field(
        "equal_interval",
        description="which checkpoints: evenly spaced ones, or each time the latest one that is not too hard for the "
        "student",
    )
    max_hardness: float = Field(
        1.2,
        gt=1,
        description="greedy: largest loss on the next checkpoint, as a multiple of the loss on the current one",
    )
    budget: Literal["one_stage", "multi_stage"] = Field(
        "one_stage", description="the job's epochs are divided among the checkpoints, or spent on each of them"
    )
    temperature: float = Field(4.0, gt=0, description="logits: softens both sides")
    weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="weight of the anchor's term; auto: as kd or skd has it"
    )
    label_weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="weight of the cross-entropy; auto: as kd or skd has it"
    )
