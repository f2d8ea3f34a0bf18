"""Knobs of method dho; the arithmetic is in core.methods.dho."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class DhoKnobs(Knobs):
    """Two classifiers on one student: one learns from labels, one from the teacher; their probabilities are mixed.

    The exported network has both classifiers and outputs the mixture.
    """

    source = (
        "Kang et al., dual-head optimization (DHO), arXiv:2505.07675; losses and weights as in the authors' code, "
        "which chooses the mixture on validation images; here it is a knob"
    )
    fidelity = "our variant"
    needs = ("teacher", "labels", "common classes")
    keeps_classifier = False
    can_be_combined = False
    name: Literal["dho"] = Field("dho", description="the name of the method")
    share: float = Field(
        0.5, gt=0, lt=1, description="of the distillation head in the mixed probabilities; the label head has the rest"
    )
    mixing_temperature: float = Field(
        1.0, gt=0, description="softens the distillation head's probabilities before they are mixed"
    )
    temperature: float = Field(
        2.0,
        gt=0,
        description="temperature of both softmaxes while the distillation head learns",
    )
    weight: float = Field(0.5, ge=0, description="weight of T^2 KL(teacher || distillation head)")
    label_weight: float = Field(0.5, ge=0, description="weight of the label head's cross-entropy")
