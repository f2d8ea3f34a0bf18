"""Knobs of method deit; the arithmetic is in core.methods.deit."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class DeitKnobs(Knobs):
    """DeiT's distillation token: the class token learns from labels, a second token from the teacher's predictions.

    Only for students that have such a token, such as timm/deit_tiny_distilled_patch16_224 or timm/levit_128s.
    """

    source = (
        "Touvron et al., Training data-efficient image transformers and distillation through attention, ICML 2021, "
        "arXiv:2012.12877; formula and weights as in the authors' code"
    )
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["deit"] = Field("deit", description="the name of the method")
    hard: bool = Field(
        True, description="the teacher's best class is the token's label; false: its soft labels are matched"
    )
    temperature: float = Field(3.0, gt=0, description="temperature of both softmaxes where hard is false")
    weight: float = Field(0.5, ge=0, description="weight of the distillation token's loss")
    label_weight: float = Field(0.5, ge=0, description="weight of the class token's cross-entropy")
