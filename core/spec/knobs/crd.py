"""Knobs of method crd; the arithmetic is in core.methods.crd."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class CrdKnobs(Knobs):
    """Contrastive distillation: the features of an image should match the teacher's and differ from those of other
    classes.
    """

    source = (
        "Tian, Krishnan and Isola, ICLR 2020, arXiv:1910.10699; formula and defaults as in RepDistiller, with "
        "negatives drawn with repetition"
    )
    fidelity = "as published"
    name: Literal["crd"] = Field("crd", description="the name of the method")
    weight: float = Field(0.8, ge=0, description="weight of the contrastive loss, both directions summed")
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    negatives: int = Field(
        16384, ge=1, description="negatives drawn for each image; at most as many as there are images"
    )
    temperature: float = Field(0.07, gt=0, description="of the scores")
    momentum: float = Field(0.5, ge=0, lt=1, description="share of the old vector when a memory entry is updated")
    width: int = Field(128, ge=1, description="dimensions of the memories")
