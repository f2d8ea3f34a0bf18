"""Knobs of method kd_uda; the arithmetic is in core.methods.kd_uda."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.spec.knobs.contract import Knobs, TrainedAlong
from core.spec.part import Auto


class KdUdaKnobs(Knobs):
    """The teacher adapts to unlabelled images of a second domain, and the student learns from it at the same time."""

    source = (
        "Nguyen-Meidine et al. 2020, arXiv:2005.07839, and its follow-up MT-MTDA, WACV 2021; formulas from the "
        "authors' code, whose defects are repaired: our variant"
    )
    fidelity = "our variant"
    needs = ("teacher", "labels", "common classes", "target images")
    can_be_combined = False
    name: Literal["kd_uda"] = Field("kd_uda", description="the name of the method")
    adaptation: Literal["mmd", "reversal"] = Field(
        "mmd",
        description="how the teacher's features of both domains are made similar: maximum mean discrepancy, or a "
        "discriminator behind a gradient reversal",
    )
    adaptation_weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto",
        description="weight of the adaptation against the teacher's label term; auto: 1 for mmd, 0.5 for reversal",
    )
    distillation_start: float = Field(
        0.1, ge=0, le=1, description="weight of the student's loss in the first epoch; the teacher's has the rest"
    )
    distillation_end: float = Field(
        0.9, ge=0, le=1, description="weight towards which it grows (or falls) by the same factor each epoch"
    )
    label_weight: float = Field(0.7, ge=0, description="weight of the student's cross-entropy")
    source_weight: float = Field(0.3, ge=0, description="weight of T^2 KL on the labelled images")
    target_weight: float = Field(1.0, ge=0, description="weight of T^2 KL on the second domain's images")
    temperature: float = Field(20.0, gt=0, description="temperature of both softmaxes")
    divergence: Literal["forward", "reverse"] = Field(
        "forward",
        description="forward: KL(teacher || student); reverse: KL(student || teacher), as in the authors' code",
    )
    teacher_rate: float = Field(
        0.1, gt=0, description="factor of the learning rate for the teacher, which is already trained"
    )

    @model_validator(mode="after")
    def _grows_by_a_factor(self) -> "KdUdaKnobs":
        if (self.distillation_start == 0) != (self.distillation_end == 0):
            raise ValueError("distillation_start and distillation_end are both 0 or both above: 0 times a factor is 0")
        return self

    @property
    def trained_along(self) -> frozenset[TrainedAlong]:
        """The teacher."""
        return frozenset({"teacher"})
