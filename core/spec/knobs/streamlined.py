"""Knobs of method streamlined; the arithmetic is in core.methods.streamlined."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class StreamlinedKnobs(Knobs):
    """The teacher's soft labels, and its similarities between the images of a batch, without labels (Streamlined
    KD).
    """

    source = (
        "Jeong, Lee and Choi, Streamlined Knowledge Distillation, CVPR 2026; formula as in torchdistill's "
        "implementation, the weights are ours"
    )
    fidelity = "our variant"
    needs = ("teacher", "common classes")
    name: Literal["streamlined"] = Field("streamlined", description="the name of the method")
    temperature: float = Field(4.0, gt=0, description="temperature of both softmaxes of the image-level term")
    instance_weight: float = Field(
        16.0, ge=0, description="weight of KL(teacher || student), without a factor T^2; the authors have 1"
    )
    direction_weight: float = Field(
        0.1, ge=0, description="weight of the Mahalanobis lengths of the Gram matrices' difference; the authors have 1"
    )
    ridge: float = Field(0.1, gt=0, description="added to the covariance's diagonal")
