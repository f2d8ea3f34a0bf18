"""Knobs of method patient; the arithmetic is in core.methods.patient."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class PatientKnobs(Knobs):
    """Function matching: the teacher's soft labels alone; meant for mixup and many epochs."""

    source = (
        "Beyer et al., A good teacher is patient and consistent, CVPR 2022, arXiv:2106.05237; formula as in the "
        "authors' code (big_vision)"
    )
    fidelity = "as published"
    needs = ("teacher", "common classes")
    name: Literal["patient"] = Field("patient", description="the name of the method")
    temperature: float = Field(
        1.0,
        gt=0,
        description="temperature of both softmaxes; the paper has 1 to 10, larger for small sets and short trainings",
    )
