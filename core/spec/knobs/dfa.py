"""Knobs of method dfa; the arithmetic is in core.methods.dfa."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.spec.knobs.contract import Knobs

TOLERANCE = 1e-3  # of a sum of shares that people round

Share = Annotated[float, Field(ge=0, le=1)]


class DfaKnobs(Knobs):
    """Feature aggregation search: a search chooses layers of the teacher, then the student learns from their weighted
    sum.
    """

    source = "Guan et al., ECCV 2020, arXiv:2008.00506; loss from reading notes, all weights are our variant"
    fidelity = "our variant"
    can_be_combined = False
    name: Literal["dfa"] = Field("dfa", description="the name of the method")
    weight: float = Field(1.0, ge=0, description="weight of the feature term while the student is trained")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy while the student is trained")
    search_share: float = Field(
        0.2,
        gt=0,
        le=10,
        description="epochs of the search for each group of layers, as a share of the job's epochs, in addition",
    )
    learnability_weight: float = Field(
        1.0, ge=0, description="search: weight of the distance between the student's map and the aggregated map"
    )
    expressivity_weight: float = Field(
        1.0,
        ge=0,
        description="search: weight of the cross-entropy of the student's later layers on the aggregated map",
    )
    regularization: float = Field(1e-3, ge=0, description="search: weight of the squared logits of the shares")
    search_rate: float = Field(1.0, gt=0, description="learning rate of the shares, as a multiple of the job's")
    standardized: bool = Field(
        True,
        description="standardize each channel of the maps first; otherwise the map with the largest values dominates",
    )
    aggregation: dict[str, dict[str, Share]] | None = Field(
        None,
        description="group -> layer -> share, as an earlier job wrote it to aggregation.json; null: search for it",
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> "DfaKnobs":
        for group, layers in (self.aggregation or {}).items():
            if abs(sum(layers.values()) - 1) > TOLERANCE:
                raise ValueError(f"the shares of group {group!r} add up to {sum(layers.values()):.4g}, not to 1")
        return self
