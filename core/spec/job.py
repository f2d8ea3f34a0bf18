"""JobSpec: what a client may ask for, with a unit and a default for every field.

A JobSpec is frozen. A string stands for the object that says only that: "small" is {"size": "small"}. What is left at
"auto" the engine fills in once it has seen the dataset (core.planning.defaults), so that the stored spec reproduces
the job.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from core.errors import unknown
from core.spec.fit import misfits
from core.spec.knobs.pkd import PkdKnobs
from core.spec.methods import MethodKnobs, TermKnobs, spelled_out
from core.spec.names import DATASET_SCHEMES, WEIGHTS_SCHEMES, Architecture, uri_of
from core.spec.part import Part
from core.spec.teacher import TeacherSpec
from core.spec.training import TrainingSpec

Size = Literal["nano", "tiny", "small", "medium", "same"]
SIZES: tuple[str, ...] = get_args(Size)
FORMATS = ("auto", "folder", "npz", "cifar-python", "cifar-binary", "parquet", "webdataset", "csv", "jsonl", "builtin")
DatasetFormat = Literal[
    "auto", "folder", "npz", "cifar-python", "cifar-binary", "parquet", "webdataset", "csv", "jsonl", "builtin"
]


class DatasetSpec(Part):
    """The customer's labelled images."""

    uri: Annotated[str, uri_of(DATASET_SCHEMES)] = Field(
        description="builtin:, file:, http(s):, s3:, gs:, hf: or dataset:<id>"
    )
    format: DatasetFormat = Field("auto", description="auto: told from the content")
    classes: tuple[str, ...] | None = Field(
        None, min_length=2, description="the classes to keep, in the order of the student's outputs; null: all, sorted"
    )
    class_map: dict[str, str] = Field(
        {}, description="old name -> new name, before choosing; several onto one merges them"
    )
    validation_fraction: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="share of each class's training images held out, where the dataset brings no validation split",
    )
    test_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="share of each class's images held out, where the dataset brings no test split"
    )
    max_per_class: int | None = Field(
        None, ge=2, description="training images kept per class (images, validation included); null: all"
    )
    max_unreadable_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of unreadable images that is left out rather than refused"
    )
    image_column: str = Field("image", description="column of parquet, CSV and JSONL that holds the image or its path")
    label_column: str = Field("label", description="column of parquet, CSV and JSONL that holds the class")
    target_uri: Annotated[str, uri_of(DATASET_SCHEMES)] | None = Field(
        None,
        description="images of a second domain, for methods that adapt to it; its labels, where it has any, are kept "
        "from training and measure the student there",
    )


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


class StudentSpec(Part):
    """The small network: exactly one of a size, an architecture, or a budget."""

    size: Size | None = Field(
        None, description="nano, tiny, small or medium (GET /v1/students says what each is), or same as the teacher"
    )
    architecture: Architecture | None = Field(None, description="cifar/<name>, torchvision/<name> or timm/<name>")
    budget: Budget | None = Field(None, description="the engine finds the largest architecture inside it")
    weights: Annotated[str, uri_of(WEIGHTS_SCHEMES)] | Literal["auto", "published", "teacher"] | None = Field(
        "auto",
        description="initial weights: a URI, `published` for the library's, `teacher` for what fits of the teacher's "
        "(first layers of every stage, evenly spaced channels, the classes' rows of the head), null for random; auto: "
        "the teacher's for a student of its family, else random. A head of another size is replaced",
    )

    @model_validator(mode="after")
    def _one_way(self) -> "StudentSpec":
        given = [name for name in ("size", "architecture", "budget") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of size, architecture and budget; got {', '.join(given) or 'none'}")
        return self


Baseline = Literal["scratch", "finetune", "finetune_student"]


class EvaluationSpec(Part):
    """What is measured beside the student, on the same frozen test split."""

    baselines: tuple[Baseline, ...] = Field(
        (),
        description="networks trained from labels alone, on the same data and for the same steps, for comparison. "
        "scratch: the student's architecture from random weights; finetune: a copy of the teacher with a new head, or "
        "the weights that student.weights names; finetune_student: the student's own initial weights, if it has any",
    )
    seeds: int = Field(
        1,
        ge=1,
        le=20,
        description="trainings of the student and of each baseline, from seed to seed + n - 1; the first is exported",
    )

    @model_validator(mode="after")
    def _once_each(self) -> "EvaluationSpec":
        if len(set(self.baselines)) != len(self.baselines):
            raise ValueError("a baseline is named twice")
        return self


def _shorthand(key_of: Any, part: type[Part]) -> BeforeValidator:
    """A string is taken in the place of the part, and the JSON Schema says so."""

    def expand(value: Any) -> Any:
        return key_of(value) if isinstance(value, str) else value

    return BeforeValidator(expand, json_schema_input_type=str | part)


def _teacher(text: str) -> dict[str, str]:
    return {"weights": text} if text.partition(":")[0] in WEIGHTS_SCHEMES else {"architecture": text}


def _student(text: str) -> dict[str, str]:
    if "/" in text:
        return {"architecture": text}
    if text not in SIZES:
        raise ValueError(
            unknown("size", text, SIZES)
            + " An architecture is written cifar/<name>, torchvision/<name> or timm/<name>."
        )
    return {"size": text}


class JobSpec(Part):
    """One specialization job. The smallest is three strings: teacher, dataset, student."""

    name: str = Field("", max_length=200, description="for people; not unique")
    labels: dict[Annotated[str, Field(max_length=63)], Annotated[str, Field(max_length=255)]] = Field(
        {}, max_length=64, description="for filtering: GET /v1/jobs?label=team=retail"
    )
    teacher: Annotated[TeacherSpec, _shorthand(_teacher, TeacherSpec)] | None = Field(
        None, description="the big network; null only where the method needs none"
    )
    more_teachers: tuple[Annotated[TeacherSpec, _shorthand(_teacher, TeacherSpec)], ...] = Field(
        (), max_length=8, description="further teachers, for methods that learn from several at once"
    )
    dataset: Annotated[DatasetSpec, _shorthand(lambda text: {"uri": text}, DatasetSpec)] = Field(
        description="the customer's labelled images"
    )
    student: Annotated[StudentSpec, _shorthand(_student, StudentSpec)] = Field(description="the small network")
    method: Annotated[
        MethodKnobs, BeforeValidator(spelled_out, json_schema_input_type=str | list[str | TermKnobs] | MethodKnobs)
    ] = Field(PkdKnobs(), description="how the student learns; GET /v1/methods lists them; a list adds their terms up")
    training: TrainingSpec = Field(TrainingSpec(), description="optimizer, schedule, augmentation, limits")
    evaluation: EvaluationSpec = Field(EvaluationSpec(), description="what is measured beside the student")
    exports: tuple[Literal["safetensors", "onnx"], ...] = Field(
        ("safetensors", "onnx"), min_length=1, description="model files to publish"
    )
    priority: int = Field(0, ge=-100, le=100, description="higher runs first")

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
