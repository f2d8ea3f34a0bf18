"""The contract of all knobs: the source of the method, and what it needs from a job before any file is read."""

from typing import ClassVar, Literal

from core.spec.part import Part

Fidelity = Literal["as published", "our variant", "common practice"]
Need = Literal["teacher", "labels", "common classes", "initial weights", "target images", "trajectory"]
"""common classes: the teacher's classes include the customer's. target images: unlabelled images of a second domain
(dataset.target_uri). trajectory: the checkpoints of the teacher's own training."""

TrainedAlong = Literal["teacher", "generator"]


class Knobs(Part):
    """The knobs of one method; a subclass's default of `name` is the method's name."""

    source: ClassVar[str]
    """Paper, and how sure we are of the formula."""
    fidelity: ClassVar[Fidelity]
    needs: ClassVar[tuple[Need, ...]] = ("teacher", "labels")
    """What a job must bring, with the method's default knobs. What the training loop then computes is declared by the
    method itself: core.methods.contract.Needs."""
    clip_gradient_norm: ClassVar[float | None] = None
    """What `training.clip_gradient_norm` is where the job leaves it to `auto`; None: no clipping."""
    fresh_head: ClassVar[bool] = False
    """The student's classifier starts from random weights, even where its given weights contain one that fits."""
    keeps_classifier: ClassVar[bool] = True
    """Whether the network that is deployed ends with the student's own classifier."""
    can_be_combined: ClassVar[bool] = True
    """Whether it can be one of several terms of a loss: it has one stage and one optimizer step a batch."""
    takes_more_teachers: ClassVar[bool] = False
    """Whether it learns from all of `more_teachers` at once."""
    name: str

    @property
    def trained_along(self) -> frozenset[TrainedAlong]:
        """The networks that are trained together with the student, each with an optimizer of its own."""
        return frozenset()

    def why_alone(self) -> str | None:
        """The reason why a method with these knobs cannot be combined with others; None if it can."""
        return None
