"""JobSpec: what a client may ask for, with a unit and a default for every field.

A JobSpec is frozen. A string is short for an object with one field: "small" is {"size": "small"}. The engine replaces
each "auto" when it has read the dataset (core.planning.defaults), so that the stored spec reproduces the job.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from core.errors import unknown
from core.spec.dataset import DatasetSpec
from core.spec.fit import misfits
from core.spec.knobs.pkd import PkdKnobs
from core.spec.methods import MethodKnobs, TermKnobs, spelled_out
from core.spec.names import (
    CREDENTIALS,
    HOW_ARCHITECTURES_ARE_WRITTEN,
    WEIGHTS_SCHEMES,
    Architecture,
    Credentials,
    uri_of,
)
from core.spec.part import Part
from core.spec.teacher import TeacherSpec, WeightsMap
from core.spec.training import TrainingSpec

Size = Literal["nano", "tiny", "small", "medium", "same"]
SIZES: tuple[str, ...] = get_args(Size)


class Budget(Part):
    """Upper bounds for the student; at least one."""

    max_params: int | None = Field(None, gt=0, description="parameters")
    max_macs: int | None = Field(None, gt=0, description="multiply-accumulates per image")
    max_bytes: int | None = Field(None, gt=0, description="float32 parameters and buffers, bytes")
    max_latency_ms: float | None = Field(
        None, gt=0, description="one image, one CPU thread of the engine's machine, median milliseconds"
    )

    @model_validator(mode="after")
    def _bounds_something(self) -> "Budget":
        if all(value is None for value in self.__dict__.values()):
            raise ValueError(f"a budget needs at least one of {', '.join(Budget.model_fields)}")
        return self


Beginning = Literal["auto", "published", "teacher", "relative"]


class StudentSpec(Part):
    """The small network: exactly one of a size, an architecture, or a budget."""

    size: Size | None = Field(
        None,
        description="nano, tiny, small or medium (GET /v1/students lists them), or same: the teacher's architecture",
    )
    architecture: Architecture | None = Field(None, description=HOW_ARCHITECTURES_ARE_WRITTEN)
    budget: Budget | None = Field(None, description="limits; the engine chooses the largest architecture within them")
    weights: Annotated[str, uri_of(WEIGHTS_SCHEMES)] | Beginning | None = Field(
        "auto",
        description="initial weights: a URI; `published`: of the operator's shelf, else the library's; `teacher`: "
        "layers of the teacher (the first of every stage, evenly spaced channels, the classes' rows of the head); "
        "`relative`: evenly spaced channels of a wider network of the family whose published weights are at hand; "
        "null: random; auto: `published` where they can be had, else `teacher` for a student of its family, else "
        "`relative`, else random. A head of another size is replaced",
    )

    credentials: Credentials | None = Field(None, description=CREDENTIALS)
    weights_map: WeightsMap = "by_name"
    classifier: Literal["auto", "initial", "fitted"] = Field(
        "auto",
        description="the classifier that the training begins with. initial: that of the initial weights, or a random "
        "one; fitted: one that is fitted to the features of the training images before all layers are trained; the "
        "validation images then decide whether the job ends with the network that it began with, the trained one, or "
        "the latter with its classifier fitted again; auto: fitted for photographs (larger than 64 pixels) and a "
        "network's own published or given weights, else initial",
    )

    @model_validator(mode="after")
    def _one_way(self) -> "StudentSpec":
        if self.weights_map == "by_order" and self.weights in (None, *get_args(Beginning)):
            raise ValueError("weights_map 'by_order' is about a weights file, and student.weights names none")
        given = [name for name in ("size", "architecture", "budget") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of size, architecture and budget; got {', '.join(given) or 'none'}")
        return self


Baseline = Literal["scratch", "finetune", "finetune_student"]


class EvaluationSpec(Part):
    """What is measured beside the student, on the same frozen test split."""

    baselines: tuple[Baseline, ...] = Field(
        (),
        max_length=8,
        description="networks trained from labels alone, on the same data and for the same steps, for comparison. "
        "scratch: the student's architecture from random weights; finetune: a copy of the teacher with a new head, or "
        "the weights that student.weights names; finetune_student: the student's own initial weights, if it has any",
    )
    seeds: int = Field(
        1,
        ge=1,
        le=20,
        description="number of trainings of the student and of each baseline, with the seeds seed, seed + 1, ...; the "
        "first is exported",
    )

    @model_validator(mode="after")
    def _once_each(self) -> "EvaluationSpec":
        if len(set(self.baselines)) != len(self.baselines):
            raise ValueError("a baseline is named twice")
        return self


def _shorthand(key_of: Any, part: type[Part]) -> BeforeValidator:
    """Accepts a string instead of the object, also in the JSON Schema."""

    def expand(value: Any) -> Any:
        return key_of(value) if isinstance(value, str) else value

    return BeforeValidator(expand, json_schema_input_type=str | part)


def _teacher(text: str) -> dict[str, str]:
    return {"weights": text} if text.partition(":")[0] in WEIGHTS_SCHEMES else {"architecture": text}


def _student(text: str) -> dict[str, str]:
    if "/" in text:
        return {"architecture": text}
    if text not in SIZES:
        raise ValueError(unknown("size", text, SIZES) + f" An architecture is written {HOW_ARCHITECTURES_ARE_WRITTEN}.")
    return {"size": text}


def _dataset(text: str) -> dict[str, str]:
    return {"uri": text}


def _method(text: str) -> dict[str, str]:
    return {"name": text}


# Part of a job -> the object that a string in its place stands for.
SHORTHANDS: dict[str, Callable[[str], dict[str, str]]] = {
    "teacher": _teacher,
    "more_teachers": _teacher,
    "dataset": _dataset,
    "student": _student,
    "method": _method,
}


MOST_LABELS = 64
Name = Annotated[str, Field(max_length=200)]
LabelKey = Annotated[str, Field(max_length=63)]
LabelValue = Annotated[str, Field(max_length=255)]
Priority = Annotated[int, Field(ge=-100, le=100)]


class JobSpec(Part):
    """One specialization job. The smallest is three strings: teacher, dataset, student."""

    name: Name = Field("", description="for people; not unique")
    labels: dict[LabelKey, LabelValue] = Field(
        {}, max_length=MOST_LABELS, description="for filtering: GET /v1/jobs?label=team=retail"
    )
    teacher: Annotated[TeacherSpec, _shorthand(_teacher, TeacherSpec)] | None = Field(
        None, description="the big network; null only for methods without a teacher"
    )
    more_teachers: tuple[Annotated[TeacherSpec, _shorthand(_teacher, TeacherSpec)], ...] = Field(
        (), max_length=8, description="further teachers, for methods that learn from several at once"
    )
    dataset: Annotated[DatasetSpec, _shorthand(_dataset, DatasetSpec)] = Field(
        description="the customer's labelled images"
    )
    student: Annotated[StudentSpec, _shorthand(_student, StudentSpec)] = Field(description="the small network")
    method: Annotated[
        MethodKnobs, BeforeValidator(spelled_out, json_schema_input_type=str | list[str | TermKnobs] | MethodKnobs)
    ] = Field(
        PkdKnobs(),
        description="how the student learns; GET /v1/methods lists the methods; the loss terms of a list are added",
    )
    training: TrainingSpec = Field(TrainingSpec(), description="optimizer, schedule, augmentation, limits")
    evaluation: EvaluationSpec = Field(EvaluationSpec(), description="what is measured beside the student")
    exports: tuple[Literal["safetensors", "onnx"], ...] = Field(
        ("safetensors", "onnx"), min_length=1, max_length=8, description="model files to publish"
    )
    priority: Priority = Field(0, description="higher runs first")

    @model_validator(mode="before")
    @classmethod
    def _teacherless_default(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("teacher") is None and "method" not in value:
            return {**value, "method": "scratch"}
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "JobSpec":
        found = list(misfits(self))
        if found:
            raise PydanticCustomError("misfit", "the parts do not fit together", {"misfits": found})
        return self
