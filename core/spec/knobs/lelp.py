"""Knobs of method lelp; the arithmetic is in core.methods.lelp."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class LelpKnobs(Knobs):
    """Soft labels over pseudo-subclasses found in the teacher's features: for few classes (LELP; our variant)."""

    source = "Loo et al., arXiv:2409.20449; read in its abstract and reviews alone, so the arithmetic is our variant"
    fidelity = "our variant"
    needs = ("teacher", "labels", "common classes")
    name: Literal["lelp"] = Field("lelp", description="the name of the method")
    num_subclasses: int = Field(4, ge=1, le=256, description="pseudo-subclasses of each class; 1: method kd")
    subclass_temperature: float = Field(1.0, gt=0, description="softens the teacher's subclasses; small: one takes all")
    temperature: float = Field(4.0, gt=0, description="softens the classes on both sides, and the student's subclasses")
    weight: float = Field(0.9, ge=0, description="weight of T^2 KL(teacher || student) over classes and subclasses")
    label_weight: float = Field(0.1, ge=0, description="weight of the cross-entropy; the paper's experiments have 0")
