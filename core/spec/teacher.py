"""The teacher of a job: the big network that the student learns from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.spec.names import (
    CREDENTIALS,
    HOW_ARCHITECTURES_ARE_WRITTEN,
    WEIGHTS_SCHEMES,
    Architecture,
    Credentials,
    uri_of,
)
from core.spec.part import Part

WeightsMap = Annotated[
    Literal["by_name", "by_order"],
    Field(
        description="how the tensors of the weights file find their layers: by_name; by_order for a converted or "
        "renamed checkpoint: the first tensor for the first layer, all shapes checked"
    ),
]
FILE_SCHEMES = tuple(scheme for scheme in WEIGHTS_SCHEMES if scheme != "job")


SHA256 = "^[0-9a-f]{64}$"


class TeacherSpec(Part):
    """The big network: by name with its library's published weights, by name plus weights, or an earlier job's
    student.
    """

    architecture: Architecture | None = Field(
        None,
        description=f"{HOW_ARCHITECTURES_ARE_WRITTEN}; not needed if the weights name it (job: and Retort's own files)",
    )
    weights: Annotated[str, uri_of(WEIGHTS_SCHEMES)] | None = Field(
        None,
        description="URI of a safetensors file or a state dict; null: the library's published weights; job:<id>: "
        "that job's student",
    )
    credentials: Credentials | None = Field(None, description=CREDENTIALS)
    weights_map: WeightsMap = "by_name"
    classes: tuple[str, ...] | None = Field(
        None,
        description="the teacher's class names in the order of its outputs; null: those of the weights file or the "
        "library",
    )
    sha256: str | None = Field(
        None, pattern=SHA256, description="sha256 of the weights file; a file with another hash is refused"
    )

    adapt: Literal["auto", "none", "head", "full"] = Field(
        "auto",
        description="whether the job first trains the teacher for its own classes. none: the teacher must know them "
        "for methods that compare outputs; head: a new classifier is fitted to its features of the training images; "
        "full: then all its layers are fine-tuned too, which takes far longer; auto: head where the method uses the "
        "teacher and none of the classes is among the teacher's (or they are not named and of another number), else "
        "none",
    )
    trajectory: tuple[Annotated[str, uri_of(FILE_SCHEMES)], ...] | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="URIs of checkpoints of the teacher's own training, first to last, for methods that learn "
        "from them; null: those that a job: teacher kept (training.keep_trajectory)",
    )

    @property
    def may_have_trajectory(self) -> bool:
        """Whether it names checkpoints, or is a job that may have kept some."""
        return self.trajectory is not None or (self.weights or "").startswith("job:")

    @model_validator(mode="after")
    def _names_a_network(self) -> "TeacherSpec":
        if self.architecture is None and self.weights is None:
            raise ValueError("a teacher needs an architecture, weights, or both")
        if self.weights_map == "by_order" and self.weights is None:
            raise ValueError("weights_map 'by_order' is about a weights file, and no weights are named")
        if self.classes is not None and len(set(self.classes)) != len(self.classes):
            raise ValueError("the teacher's class names repeat")
        return self
