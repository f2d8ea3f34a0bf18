"""Knobs of method vid; the arithmetic is in core.methods.vid."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class VidKnobs(Knobs):
    """Variational information distillation: maximizes the likelihood of the teacher's feature maps; and labels."""

    source = "Ahn et al., CVPR 2019, arXiv:1904.05835; formula, regressor and weight as in RepDistiller"
    fidelity = "as published"
    name: Literal["vid"] = Field("vid", description="the name of the method")
    weight: float = Field(
        1.0, ge=0, description="weight of the negative log-likelihood, mean over channels and positions"
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    taps: Literal["last", "all"] | tuple[str, ...] = Field(
        "all", description="which maps: the last before pooling, one per resolution, or the teacher's modules by path"
    )
