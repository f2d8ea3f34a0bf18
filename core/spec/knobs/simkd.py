"""Knobs of method simkd; the arithmetic is in core.methods.simkd."""

from typing import Literal

from pydantic import Field, model_validator

from core.spec.knobs.contract import Knobs, TrainedAlong


class SimkdKnobs(Knobs):
    """The student learns the features that the teacher's classifier reads, through a projector, and reuses that
    classifier.

    The exported network is encoder, projector and classifier.
    """

    source = (
        "Chen et al., CVPR 2022, arXiv:2203.14001; one teacher as in the authors' code; several teachers and "
        "data_free are only named in the paper, so there the arithmetic is our variant"
    )
    fidelity = "as published"
    needs = ("teacher", "common classes")
    keeps_classifier = False
    can_be_combined = False
    takes_more_teachers = True
    name: Literal["simkd"] = Field("simkd", description="the name of the method")
    factor: int = Field(
        2,
        ge=1,
        le=64,
        description="the inner layers of the projector are narrower than the teacher's features by this factor",
    )
    weight: float = Field(1.0, ge=0, description="weight of the feature term")
    label_weight: float = Field(
        0.0, ge=0, description="weight of the cross-entropy; 0, as published: labels are not used"
    )
    data_free: bool = Field(
        False,
        description="train on images of a generator that learns from the teacher; the training images are not used "
        "(our variant)",
    )
    statistics_weight: float = Field(
        1.0, ge=0, description="data_free: of the distance from the teacher's batch-norm statistics"
    )
    adversarial_weight: float = Field(
        1.0, ge=0, description="data_free: weight of generating images that the student has not learned yet"
    )

    @model_validator(mode="after")
    def _without_labels(self) -> "SimkdKnobs":
        if self.data_free and self.label_weight:
            raise ValueError("data_free has no labels: label_weight must be 0")
        return self

    @property
    def trained_along(self) -> frozenset[TrainedAlong]:
        """Data-free: the generator of the images."""
        return frozenset({"generator"} if self.data_free else ())
