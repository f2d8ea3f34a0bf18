"""A job as JSON: store.values.Job with a word on every field."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.errors import Category
from store.states import State
from store.values import Job

# Of a result's measures, what grows with the classes (or their square) and is left out of lists.
MAX_SUMMARY = 200  # characters of each text
_BULKY = frozenset({"confusion", "per_class"})


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ProgressView(_View):
    """How far the job is, over the student and all baselines."""

    model_config = ConfigDict(from_attributes=True, extra="allow")

    fraction: float = Field(0.0, description="0 to 1")
    run: str | None = Field(None, description="what is being trained: student or baseline/<name>")
    epoch: int | None = Field(None, description="epochs finished of this run")
    epochs: int | None = None
    step: int | None = Field(None, description="optimizer steps taken of this run")
    steps: int | None = None
    images_per_second: float | None = None
    eta_seconds: float | None = Field(None, description="until the job ends, seconds")
    updated_at: datetime | None = Field(None, description="when the engine said so: old means stalled")


class AttemptView(_View):
    """One worker's go at the job."""

    number: int = Field(description="from 1")
    worker: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Literal["succeeded", "failed", "cancelled", "released", "paused", "lost"] | None = Field(
        None,
        description="null while it lasts; released: its worker stopped in good order, or its host could "
        "not run it (`error` says why); lost: the engine or the worker died",
    )
    error: dict[str, Any] | None = None


class QueueView(_View):
    """Where a queued job stands."""

    position: int = Field(description="1 is next; counted up to 1000, a job further back shows 1000 too")
    eligible_workers: int = Field(
        description="workers alive that could take it; 0: nothing will happen until one starts"
    )
    reason: str | None = Field(None, description="why it is not run, where it does more than wait for its turn")


class ErrorView(_View):
    """Why a job failed."""

    code: str = Field(description="stable, such as DATASET_INVALID")
    category: Category = Field(description="user: the job must change; infrastructure: try again; internal: our defect")
    message: str
    hint: str = ""


class WarningView(_View):
    """Something to know about a job that can run nevertheless."""

    code: str = Field(description="stable, such as DATASET_FILES_SKIPPED")
    message: str = Field(description="what was found, and where")
    hint: str | None = Field(None, description="what can be done about it")
    count: int | None = Field(None, description="how many files, images or classes it is about")


class StudentView(_View):
    """The network that is being made; `macs` per image, `bytes` of float32 parameters and buffers."""

    model_config = ConfigDict(from_attributes=True, extra="allow")

    architecture: str
    num_params: int
    macs: int
    bytes: int
    input_size: int | None = Field(None, description="height and width, pixels")
    num_classes: int | None = None


class SummaryView(_View):
    """What a job asks for, in a few words."""

    teacher: str | None = Field(description="its architecture, else its weights; null: none")
    student: str = Field(description="the architecture or size that was asked for, or `budget`")
    method: str = Field(description="its name, or the names of its terms: kd + skd")

    @classmethod
    def of(cls, spec: dict[str, Any]) -> "SummaryView":
        """The summary of a spec."""
        teacher, student, method = spec.get("teacher") or {}, spec["student"], spec.get("method") or {}
        terms = method if isinstance(method, list) else method.get("terms") or ([method] if method else [])
        named = teacher.get("architecture") or teacher.get("weights")
        return cls(
            teacher=named and named[:MAX_SUMMARY],
            student=(student.get("architecture") or student.get("size") or "budget")[:MAX_SUMMARY],
            method=" + ".join(term["name"] if isinstance(term, dict) else str(term) for term in terms)[:MAX_SUMMARY],
        )


class _JobFields(_View):
    """A job without its spec. `version` rises with every change but those of `queue` and
    `runtime_seconds`."""

    id: str = Field(description="sortable by age", examples=["job_01KAK3P0V6T6Y1F5S9W1QKX0ZD"])
    kind: Literal["job", "plan"]
    name: str
    labels: dict[str, str]
    priority: int
    state: State
    phase: Literal["preparing", "training", "evaluating", "exporting"] | None = Field(
        None, description="of a running job"
    )
    done: bool = Field(description="whether the state is final: succeeded, failed or cancelled")
    progress: ProgressView | None = None
    summary: SummaryView = Field(description="what the job asks for, in a few words")
    student: StudentView | None = Field(None, description="known once `preparing` is over")
    plan: dict[str, Any] | None = Field(
        None, description="what `preparing` found: dataset, teacher, estimate; the answer of a plan"
    )
    result: dict[str, Any] | None = Field(
        None,
        description="metrics of student, teacher, baselines; in lists without confusion matrices and per-class figures",
    )
    error: ErrorView | None = None
    warnings: list[WarningView] = Field(description="in the order in which they were found")
    attempts: list[AttemptView]
    queue: QueueView | None = Field(None, description="only while queued")
    runtime_seconds: float = Field(description="spent by workers, over all attempts since submit or the last retry")
    created_at: datetime
    started_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    finished_at: datetime | None = None
    version: int


class JobView(_JobFields):
    """A job. `version` rises with every change but those of `queue` and
    `runtime_seconds`."""

    spec: dict[str, Any] = Field(description="a JobSpec (GET /v1/schema); without any auto once `preparing` is over")

    @classmethod
    def of(cls, job: Job) -> "JobView":
        """The view of a job, whole."""
        return cls.model_validate({**_attributes(job), "plan": _plan(job)})


class ListedJobView(_JobFields):
    """A job among others, without what is bulky. `version` rises with every change but those of `queue` and
    `runtime_seconds`."""

    spec: dict[str, Any] | None = Field(None, description="only where `include=spec` asks for it")

    @classmethod
    def of(cls, job: Job, *, with_spec: bool) -> "ListedJobView":
        """The view of a job in a list."""
        fields = {**_attributes(job), "result": _without(job.result, _BULKY)}
        return cls.model_validate(fields if with_spec else {**fields, "spec": None})


class JobPage(BaseModel):
    """Jobs, newest first."""

    data: list[ListedJobView]
    has_more: bool
    next_cursor: str | None = Field(None, description="goes into `after` for the next page")


class PlanView(BaseModel):
    """What a job would be, found by reading the dataset and measuring the networks, without training."""

    model_config = ConfigDict(extra="allow")

    spec: dict[str, Any] = Field(description="the JobSpec without any auto")
    dataset: dict[str, Any] = Field(description="classes, images per class and split, native size, unreadable files")
    student: StudentView
    teacher: StudentView | None = None
    teacher_validation_top1: float | None = Field(None, description="fraction; where its classes cover the customer's")
    estimate: dict[str, Any] = Field(description="steps, seconds and memory, measured on a few steps")
    warnings: list[WarningView] = Field(description="what to know before the job runs")


def _attributes(job: Job) -> dict[str, Any]:
    fields = {name: getattr(job, name) for name in JobView.model_fields if hasattr(job, name)}
    # Dataclasses inside are validated from their attributes only where they are reached as such.
    return {
        **fields,
        "summary": SummaryView.of(job.spec),
        "attempts": [vars(attempt) for attempt in job.attempts],
        "warnings": [vars(warning) for warning in job.warnings],
        "queue": job.queue and vars(job.queue),
    }


def _plan(job: Job) -> dict[str, Any] | None:
    """What was resolved, without the spec, which the job shows in its own field."""
    shown: dict[str, Any] | None = _without(
        job.resolved, frozenset({"event", "at"} | ({"spec"} if job.kind == "job" else set()))
    )
    return shown


def _without(value: Any, keys: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, keys) for key, item in value.items() if key not in keys}
    return value
