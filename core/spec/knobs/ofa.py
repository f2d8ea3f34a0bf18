"""Knobs of method ofa; the arithmetic is in core.methods.ofa."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class OfaKnobs(Knobs):
    """The teacher's logits at the student's end and at exits along it, for teachers of any make (OFA-KD)."""

    source = (
        "Hao et al., One-for-All, NeurIPS 2023; loss as in the authors' code, the exits for any student are our variant"
    )
    fidelity = "our variant"
    needs = ("teacher", "labels", "common classes")
    name: Literal["ofa"] = Field("ofa", description="the name of the method")
    gamma: float = Field(
        1.0, ge=1, le=4, description="raises the label's weight; 1: the teacher's soft labels as they are"
    )
    temperature: float = Field(1.0, gt=0, description="temperature of both softmaxes")
    weight: float = Field(1.0, ge=0, description="weight of the term at the student's own logits")
    exit_weight: float = Field(1.0, ge=0, description="weight of the sum over the exits")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    taps: Literal["all"] | tuple[str, ...] = Field(
        "all",
        description="where the exits are: one per resolution (or quarter of the blocks), or the student's modules",
    )
