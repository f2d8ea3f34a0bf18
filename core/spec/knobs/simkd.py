"""Knobs of method simkd; the arithmetic is in core.methods.simkd."""

from typing import Literal

from pydantic import Field, model_validator

from core.spec.knobs.contract import Knobs, TrainedAlong


class SimkdKnobs(Knobs):
    """The teacher's classifier is reused; the student learns, through a projector that stays, to give it what it reads.

    The exported network is encoder, projector and classifier.
    """

    source = (
        "Chen et al., CVPR 2022, arXiv:2203.14001; one teacher as in the authors' code; several teachers and "
        "data_free are only named in the paper, so there the arithmetic is our variant"
    )
    fidelity = "as published"
    needs = ("teacher", "common classes")
    can_be_combined = False
    takes_more_teachers = True
    name: Literal["simkd"] = Field("simkd", description="tells the methods apart")
    factor: int = Field(
        2, ge=1, le=64, description="the projector is this many times narrower inside than the teacher's features"
    )
    weight: float = Field(1.0, ge=0, description="of the feature term")
    label_weight: float = Field(0.0, ge=0, description="of the cross-entropy; as published, no label is looked at")
    data_free: bool = Field(
        False,
        description="train on images that a generator learns to draw out of the teacher; the training images are not "
        "looked at (our variant)",
    )
    statistics_weight: float = Field(
        1.0, ge=0, description="data_free: of the distance from the teacher's batch-norm statistics"
    )
    adversarial_weight: float = Field(
        1.0, ge=0, description="data_free: how much the generator seeks what the student has not learned yet"
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
