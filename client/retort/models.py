"""The service's JSON objects as typed dictionaries; the service's OpenAPI document describes every field.

At runtime they are plain dictionaries: a newer service may send further fields. Times are RFC 3339 text in UTC.
`tests/client/test_models.py` compares each of them with the OpenAPI document.
"""

from typing import Any, Literal, TypedDict

State = Literal["queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"]
Phase = Literal["preparing", "training", "evaluating", "exporting"]


class ProgressView(TypedDict):
    """How far a job is, over the student and all baselines; `fraction` is from 0 to 1."""

    fraction: float
    run: str | None
    epoch: int | None
    epochs: int | None
    step: int | None
    steps: int | None
    images_per_second: float | None
    eta_seconds: float | None
    updated_at: str | None


class AttemptView(TypedDict):
    """One worker's attempt at a job; `outcome` is None while it lasts."""

    number: int
    worker: str
    started_at: str
    ended_at: str | None
    outcome: Literal["succeeded", "failed", "cancelled", "released", "paused", "lost"] | None
    error: dict[str, Any] | None


class QueueView(TypedDict):
    """Where a queued job stands; position 1 is next, 1000 is there or further back; `reason` says why it is not run, if
    not for its turn."""

    position: int
    eligible_workers: int
    reason: str | None


class ErrorView(TypedDict):
    """Why a job failed."""

    code: str
    category: Literal["user", "infrastructure", "internal"]
    message: str
    hint: str


class WarningView(TypedDict):
    """Something that a person should know about a job that can run nevertheless."""

    code: str
    message: str
    hint: str | None
    count: int | None


class NetworkView(TypedDict):
    """A network's size; `macs` of one image at `input_size` pixels, `bytes` of float32 parameters and buffers."""

    architecture: str
    num_params: int
    macs: int
    bytes: int
    input_size: int | None
    num_classes: int | None


class SummaryView(TypedDict):
    """What a job asks for, in a few words."""

    teacher: str | None
    student: str
    method: str


class JobView(TypedDict):
    """A job."""

    id: str
    kind: Literal["job", "plan"]
    name: str
    labels: dict[str, str]
    priority: int
    state: State
    phase: Phase | None
    done: bool
    progress: ProgressView | None
    summary: SummaryView
    spec: dict[str, Any]
    student: NetworkView | None
    plan: dict[str, Any] | None
    result: dict[str, Any] | None
    error: ErrorView | None
    warnings: list[WarningView]
    attempts: list[AttemptView]
    queue: QueueView | None
    runtime_seconds: float
    created_at: str
    started_at: str | None
    cancel_requested_at: str | None
    finished_at: str | None
    version: int


class PlanView(TypedDict):
    """What a job would be; nothing is trained for it."""

    spec: dict[str, Any]
    dataset: dict[str, Any]
    student: NetworkView
    teacher: NetworkView | None
    teacher_validation_top1: float | None
    estimate: dict[str, Any]
    warnings: list[WarningView]


class EventView(TypedDict):
    """Something that happened to a job; `seq` rises within a job."""

    seq: int
    attempt: int
    kind: str
    data: dict[str, Any]
    at: str


class LogView(TypedDict):
    """A log line of a job's engine; `seq` rises within a job."""

    seq: int
    attempt: int
    level: Literal["info", "warning", "error"]
    message: str
    at: str


class SeriesView(TypedDict):
    """The values of one metric: [step, value, at] by rising step; a value that was not finite is None."""

    name: str
    points: list[tuple[int, float | None, str]]


class ArtifactView(TypedDict):
    """A result file; `href` is where its bytes are."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: str
    href: str


class WorkerView(TypedDict):
    """A worker process; `slots`: how many jobs it runs at once; `unfit`: why its host cannot run any now."""

    id: str
    host: str
    pid: int
    devices: list[str]
    version: str
    slots: int
    started_at: str
    last_seen_at: str
    alive: bool
    state: Literal["idle", "busy", "draining", "quarantined", "silent"]
    unfit: str | None
    jobs: list[str]
    guards: dict[str, bool]


class MethodView(TypedDict):
    """A method; `knobs` is the JSON Schema of its object in a job."""

    name: str
    summary: str
    source: str
    fidelity: str
    needs: list[str]
    can_be_combined: bool
    takes_more_teachers: bool
    knobs: dict[str, Any]


class SecretView(TypedDict):
    """A stored secret, without its value."""

    name: str
    created_at: str
    updated_at: str


class DatasetView(TypedDict):
    """An uploaded dataset, or one that is being uploaded. Jobs name it by `uri` once its state is ready."""

    id: str
    uri: str
    name: str
    filename: str
    state: Literal["uploading", "ready"]
    size_bytes: int
    received_bytes: int
    sha256: str | None
    created_at: str
    updated_at: str
    completed_at: str | None


Scope = Literal["read", "submit", "admin"]


class LimitsView(TypedDict):
    """The share of a key; None: no limit beside the tenant's."""

    max_queued_jobs: int | None
    max_running_jobs: int | None
    max_stored_bytes: int | None
    requests_per_minute: int | None


class KeyView(TypedDict):
    """An API key without its secret. `previous_until`: until then the secret before the last rotation is accepted."""

    id: str
    tenant: str
    name: str
    scope: Scope
    limits: LimitsView
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None
    previous_until: str | None


class AuditEntryView(TypedDict):
    """Something that a caller did, or was denied."""

    id: int
    at: str
    tenant: str
    actor: str
    action: str
    target: str
    outcome: Literal["done", "denied"]
    client: str
    request_id: str


class GarbageView(TypedDict):
    """One kind of thing in one place: due to be removed, kept after the latest sweep, and removed since the first."""

    place: str
    kind: str
    reason: str
    due_count: int
    due_bytes: int
    kept_count: int
    kept_bytes: int
    removed_count: int
    removed_bytes: int
    at: str | None
