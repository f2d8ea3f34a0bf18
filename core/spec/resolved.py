"""A job with every `auto` replaced by what the engine chose: the types that training works with.

Their JSON is that of JobSpec, so that a resolved spec can be submitted again.
"""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.job import JobSpec, StudentSpec
from core.spec.training import TrainingSpec


class ResolvedTraining(TrainingSpec):
    """TrainingSpec without `auto`; validation refuses one that is left."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    micro_batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    optimizer: Literal["sgd", "muon", "adamw"]
    weight_decay: float = Field(ge=0)
    schedule: Literal["cosine", "multistep", "onecycle", "constant"]
    warmup_epochs: float = Field(ge=0)
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None
    clip_gradient_norm: Annotated[float, Field(gt=0)] | None
    augmentation: Literal["none", "crop", "light", "strong"]
    batch_norm: Literal["batch", "frozen"]
    image_size: int = Field(ge=1)
    precision: Literal["fp32", "bf16", "fp16"]
    teacher_precision: Literal["same", "int8"]
    kernels: Literal["torch", "own"]
    compile: bool
    teacher_pass: Literal["live", "stored"]
    stored_views: int = Field(ge=1)


class ResolvedStudent(StudentSpec):
    """StudentSpec with its architecture chosen."""

    architecture: str
    classifier: Literal["initial", "fitted"]


class ResolvedJob(JobSpec):
    """JobSpec with student and training resolved."""

    student: ResolvedStudent
    training: ResolvedTraining

    @classmethod
    def of(cls, spec: JobSpec, **resolved: object) -> "ResolvedJob":
        """`spec` with the resolved parts `resolved` in place of its own.

        The whole is not validated again: a baseline's parts need not fit together as a user's do.
        """
        fields = {name: getattr(spec, name) for name in JobSpec.model_fields}
        return cls.model_construct(**{**fields, **resolved})
