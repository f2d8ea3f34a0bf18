"""Knobs of method wsl; the arithmetic is in core.methods.wsl."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs


class WslKnobs(Knobs):
    """Weighted soft labels: what the teacher says of an image counts less, the better the student knows it."""

    source = "Zhou et al., ICLR 2021, arXiv:2102.00650; formula and CIFAR-100 weights from the authors' code"
    fidelity = "as published"
    needs = ("teacher", "labels", "common classes")
    name: Literal["wsl"] = Field("wsl", description="tells the methods apart")
    temperature: float = Field(4.0, gt=0, description="of the soft labels; the authors: 4 on CIFAR-100, 2 on ImageNet")
    weight: float = Field(
        2.25, ge=0, description="of the weighted soft labels; the authors: 2.25 on CIFAR-100, 2.5 on ImageNet"
    )
    label_weight: float = Field(1.0, ge=0, description="of the cross-entropy")
    teacher_mode: Literal["eval", "train"] = Field(
        "eval",
        description="train: the teacher's batch norms see each batch's own statistics, as in the authors' code, to "
        "reproduce their figures",
    )
