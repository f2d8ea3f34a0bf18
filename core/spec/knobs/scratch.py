"""Knobs of method scratch; the arithmetic is in core.methods.scratch."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class ScratchKnobs(Knobs):
    """Labels only, from random weights (or from `student.weights`)."""

    source = "supervised training with cross-entropy; no distillation"
    fidelity = "common practice"
    needs = ("labels",)
    name: Literal["scratch"] = Field("scratch", description="the name of the method")
