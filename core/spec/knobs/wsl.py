"""Knobs of method wsl; the arithmetic is in core.methods.wsl."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class WslKnobs(Knobs):
    """Weighted soft labels: the teacher's soft label of an image counts less if the student already knows the image
    well.
    """

    source = "Zhou et al., ICLR 2021, arXiv:2102.00650; formula and CIFAR-100 weights from the authors' code"
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["wsl"] = Field("wsl", description="the name of the method")
    temperature: float = Field(4.0, gt=0, description="of the soft labels; the authors: 4 on CIFAR-100, 2 on ImageNet")
    weight: float = Field(
        2.25, ge=0, description="weight of the weighted soft labels; the authors: 2.25 on CIFAR-100, 2.5 on ImageNet"
    )
    label_weight: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    teacher_mode: Literal["eval", "train"] = Field(
        "eval",
        description="train: the teacher's batch norms use each batch's own statistics, as in the authors' code, to "
        "reproduce their figures",
    )
