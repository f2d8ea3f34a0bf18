"""Knobs of method dist; the arithmetic is in core.methods.dist."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class DistKnobs(Knobs):
    """Correlation with the teacher's soft labels, within each image and within each class (DIST)."""

    source = (
        "Huang et al., Knowledge Distillation from A Stronger Teacher, NeurIPS 2022; formula and weights as in the "
        "authors' code"
    )
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["dist"] = Field("dist", description="the name of the method")
    temperature: float = Field(4.0, gt=0, description="temperature of both softmaxes; the paper has 1 for ImageNet")
    weight: float = Field(2.0, ge=0, description="weight of both correlation terms")
    inter_weight: float = Field(1.0, ge=0, description="weight of the correlation over the classes of an image")
    intra_weight: float = Field(1.0, ge=0, description="weight of the correlation over the images of a class")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
