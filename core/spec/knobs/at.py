"""Knobs of method at; the arithmetic is in core.methods.at."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class AtKnobs(Knobs):
    """Attention transfer: the student imitates the teacher's attention maps, and learns labels."""

    source = "Zagoruyko and Komodakis, ICLR 2017, arXiv:1612.03928; mean over positions and weight as in RepDistiller"
    fidelity = "as published"
    name: Literal["at"] = Field("at", description="the name of the method")
    weight: float = Field(
        1000.0, ge=0, description="weight of the squared difference of attention maps, mean over positions"
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    taps: Literal["last", "all"] | tuple[str, ...] = Field(
        "all", description="which maps: the last before pooling, one per resolution, or the teacher's modules by path"
    )
