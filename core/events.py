"""The events of an engine process: one JSON object a line, read by a progress display or by the worker.

These types are the contract between core and worker. Every event carries `at` (RFC 3339, UTC).
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from core.errors import Category, RetortError

PhaseName = Literal["preparing", "training", "evaluating", "exporting"]
PHASES: tuple[PhaseName, ...] = ("preparing", "training", "evaluating", "exporting")


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Phase(_Event):
    """The job entered a phase."""

    event: Literal["phase"] = "phase"
    phase: PhaseName


class Log(_Event):
    """One line for a person."""

    event: Literal["log"] = "log"
    level: Literal["info", "warning", "error"] = "info"
    message: str


class JobWarning(BaseModel):
    """Something that a person should know about a job that can run nevertheless."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(description="stable, in capitals: DATASET_FILES_SKIPPED")
    message: str = Field(description="what was found and where, in one or two sentences")
    hint: str | None = Field(default=None, description="what a user can do about it; null where nothing is needed")
    count: int | None = Field(default=None, description="how many files, images or classes it is about")


class WarningIssued(_Event):
    """A warning of the job or plan; it also belongs to the report."""

    event: Literal["warning"] = "warning"
    warning: JobWarning


class TableFacts(BaseModel):
    """How a label table was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    encoding: str
    delimiter: str | None = Field(description="null for JSON")
    has_header: bool
    image_column: str
    label_column: str
    split_column: str | None = None
    num_rows: int


class DatasetFacts(BaseModel):
    """Facts about the dataset; counts are images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str
    format: str
    fingerprint: str = Field(description="sha256 over all pixels and labels")
    classes: list[str]
    num_train: int
    num_validation: int
    num_test: int
    images_per_class: dict[str, dict[str, int]] = Field(description="split -> class -> images")
    native_size: tuple[int, int] = Field(description="median height and width of the files, pixels")
    resident_bytes: int
    unreadable: list[str] = Field(default_factory=list, description="files left out, each with its reason; at most 20")
    num_unreadable: int = 0
    passed_over: dict[str, int] = Field(default_factory=dict, description="reason -> files that are not used")
    tables: list[TableFacts] = Field(default_factory=list, description="label tables that were read, and how")
    smallest_difference: float | None = Field(
        default=None,
        description="fraction: two networks whose test top-1 differ by at least this are told apart at 95%, whatever "
        "their top-1; smaller differences may stay inconclusive",
    )


class NetworkFacts(BaseModel):
    """A network's size. `macs` are multiply-accumulates of one image at `input_size`; `bytes` are float32 parameters
    and buffers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    num_params: int
    macs: int
    bytes: int
    input_size: int
    num_classes: int


class Estimate(BaseModel):
    """Steps, time and memory of the job, measured on a few steps on this machine; null if not measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int
    training_seconds: float | None = None
    memory_bytes: int | None = None
    reason: str = Field(default="", description="how the values were found, and why the student was chosen")


class Resolved(_Event):
    """The end of `preparing`: the spec without any `auto`, the dataset, the networks and the estimate. A plan ends
    here.
    """

    event: Literal["resolved"] = "resolved"
    spec: dict[str, Any]
    dataset: DatasetFacts
    student: NetworkFacts
    teacher: NetworkFacts | None = None
    teacher_validation_top1: float | None = Field(
        default=None, description="fraction; null unless the teacher's classes include the job's"
    )
    estimate: Estimate


class Metric(_Event):
    """Values by name at a step; a non-finite value is sent as null."""

    event: Literal["metric"] = "metric"
    step: int
    values: dict[str, float | None]


class Progress(_Event):
    """How far the job is; `fraction` runs over the student and all baselines."""

    event: Literal["progress"] = "progress"
    fraction: float
    run: str = Field(description="student, or baseline/<name>")
    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float | None = None
    eta_seconds: float | None = None


class Checkpoint(_Event):
    """A checkpoint file is whole on disk; `path` is relative to the out folder. It replaces the one before."""

    event: Literal["checkpoint"] = "checkpoint"
    path: str
    step: int
    size_bytes: int
    sha256: str


class Artifact(_Event):
    """A result file is whole on disk; `path` is relative to the out folder."""

    event: Literal["artifact"] = "artifact"
    name: str
    path: str
    media_type: str
    size_bytes: int
    sha256: str


class Result(_Event):
    """The last event of a job that succeeded: the same object as metrics.json."""

    event: Literal["result"] = "result"
    student: NetworkFacts
    metrics: dict[str, Any]
    baselines: dict[str, dict[str, Any]]
    teacher: dict[str, Any] | None = None


class Failure(_Event):
    """The last event of a job that failed."""

    event: Literal["error"] = "error"
    code: str
    category: Category
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: RetortError) -> "Failure":
        """The event for an error."""
        return cls(code=error.code, category=error.category, message=error.message, hint=error.hint)


Event = Annotated[
    Phase | Log | WarningIssued | Resolved | Metric | Progress | Checkpoint | Artifact | Result | Failure,
    Field(discriminator="event"),
]
_adapter: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(line: str | bytes) -> Event:
    """An event from one line of JSON; raises pydantic.ValidationError where the line is none."""
    return _adapter.validate_json(line)


# Exit statuses of the engine process. A worker reads them; 75 is EX_TEMPFAIL of sysexits.h.
EXIT_OK = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_USER_ERROR = 3
EXIT_INFRASTRUCTURE = 4
EXIT_INTERRUPTED = 75
