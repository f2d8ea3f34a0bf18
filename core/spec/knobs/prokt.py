"""Knobs of method prokt; the arithmetic is in core.methods.prokt."""

from typing import Literal

from pydantic import Field

from core.spec.knobs.contract import Knobs, TrainedAlong


class ProktKnobs(Knobs):
    """The teacher is trained too: it learns the labels while it stays close to the student, and the student follows it.

    The trained teacher is published as teacher.safetensors.
    """

    source = (
        "Shi et al., ECML-PKDD 2021, arXiv:2107.09305; losses and their defaults as in the authors' code for text "
        "classification; their settings for images are not public"
    )
    fidelity = "as published"
    needs = ("teacher", "labels")
    can_be_combined = False
    clip_gradient_norm = 1.0  # of the authors' code, for teacher and student alike
    name: Literal["prokt"] = Field("prokt", description="the name of the method")
    form: Literal["mixed", "dual"] = Field(
        "mixed",
        description="the teacher's loss; mixed: (1 - proximity) label + proximity KL(student || teacher); dual: label "
        "+ beta (KL - slack), where beta rises while KL exceeds the slack and falls below it",
    )
    proximity: float = Field(0.4, ge=0, le=1, description="mixed: how close the teacher stays to the student")
    slack: float = Field(1.0, ge=0, description="dual: the divergence that is allowed, nats")
    beta: float = Field(1.0, ge=0, description="dual: initial value of beta")
    beta_rate: float = Field(1e-3, ge=0, description="dual: change of beta at each step, as a factor of the violation")
    temperature: float = Field(1.0, gt=0, description="of both divergences, which are multiplied by its square")
    teacher_rate: float = Field(0.3, gt=0, description="the teacher's learning rate as a share of the student's")
    targets: Literal["eval", "batch"] = Field(
        "eval",
        description="batch norms of each network when the other learns from it. eval: with running statistics, which "
        "are poor at the start of a training; batch: with the batch's statistics, without updating the running ones",
    )
    initial_classifiers: Literal["zero", "given"] = Field(
        "zero",
        description="zero: both networks start with uniform predictions, and the teacher may have any classes; given: "
        "the teacher keeps its classifier, whose classes must include those of the job",
    )
    initial_teacher: Literal["given", "random"] = Field(
        "given", description="random: the teacher's architecture with random weights"
    )

    @property
    def trained_along(self) -> frozenset[TrainedAlong]:
        """The teacher."""
        return frozenset({"teacher"})
