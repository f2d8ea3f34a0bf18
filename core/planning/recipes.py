"""How networks with given weights are trained on photographs, where the job leaves it open.

Measured on nine materials, 1,053 photographs (docs/explanation/photographs.md). Networks that begin at random, and
small inputs, are trained as core.planning.defaults says.
"""

from dataclasses import dataclass
from typing import Literal

from core.data.augment import SMALL_INPUT
from core.spec import ResolvedStudent


@dataclass(frozen=True)
class Recipe:
    """Settings that replace `auto`: a training has at least `min_epochs` epochs, and at least `min_steps` steps."""

    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    """The peak, for batches of 64 images."""
    schedule: Literal["cosine", "onecycle"]
    min_epochs: int
    min_steps: int


# Behind a fitted classifier: higher rates and more steps lose what the published weights know.
GENTLE = Recipe("adamw", 3e-5, "cosine", min_epochs=1, min_steps=14)
# Behind a random classifier: the plain loop that practitioners write.
FINE_TUNING = Recipe("sgd", 0.02, "onecycle", min_epochs=4, min_steps=60)


def recipe_for(student: ResolvedStudent, image_size: int) -> Recipe | None:
    """The recipe of a student with given weights that sees photographs; None for any other."""
    if student.weights is None or image_size <= SMALL_INPUT:
        return None
    return GENTLE if student.classifier == "fitted" else FINE_TUNING
