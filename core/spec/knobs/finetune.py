"""Knobs of method finetune; the arithmetic is in core.methods.finetune."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class FinetuneKnobs(Knobs):
    """Labels only, a fresh head on given weights: `student.weights`, published ones, or with student `same` the
    teacher's.
    """

    source = "transfer learning from given weights with a fresh head; no distillation"
    fidelity = "common practice"
    needs = ("labels", "initial weights")
    fresh_head = True
    name: Literal["finetune"] = Field("finetune", description="the name of the method")
    freeze_backbone: bool = Field(False, description="true: a linear probe")
