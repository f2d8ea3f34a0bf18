"""Knobs of method kd; the arithmetic is in core.methods.kd."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.base import Knobs


class KdKnobs(Knobs):
    """Hinton's distillation; teacher logits restricted to the chosen classes and renormalized."""

    source = "Hinton, Vinyals and Dean 2015, arXiv:1503.02531"
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["kd"] = Field("kd", description="tells the methods apart")
    temperature: float = Field(4.0, gt=0, description="softens both sides")
    weight: float = Field(0.9, ge=0, description="of T^2 KL(teacher || student)")
    label_weight: float = Field(0.1, ge=0, description="of the cross-entropy")
