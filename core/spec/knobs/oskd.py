"""Knobs of method oskd; the arithmetic is in core.methods.oskd."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs
from core.spec.part import Auto


class OskdKnobs(Knobs):
    """No teacher: each image learns from the nearest images of its class in the batch (online subclass distillation;
    our variant).
    """

    source = (
        "Tzelepi, Passalis and Tefas, ICPR 2020 and ESWA 2021; read in their abstracts alone, so the arithmetic is "
        "our variant"
    )
    fidelity = "our variant"
    needs = ("labels",)
    name: Literal["oskd"] = Field("oskd", description="the name of the method")
    form: Literal["logits", "pooled", "distribution"] = Field(
        "logits",
        description="what is pulled to the neighbours' mean: logits or pooled features by their squared distance, or "
        "the distribution over classes by its divergence",
    )
    num_neighbours: int = Field(
        3, ge=1, le=100, description="number of nearest images of the same class; fewer if the batch has fewer"
    )
    weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="weight of the subclass term; auto: 0.1, or 1 for distribution"
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    temperature: float = Field(4.0, gt=0, description="distribution: softens both sides")
    warmup_epochs: int = Field(5, ge=0, description="epochs over which the weight grows to its full size")
