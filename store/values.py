"""The frozen values that the store returns and takes; never rows. All times are aware UTC datetimes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from store.states import TERMINAL, Asked, Kind, Outcome, State, WorkerState


@dataclass(frozen=True)
class Attempt:
    """One worker's go at a job; `outcome` is None while it lasts."""

    number: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome | None
    error: dict[str, Any] | None


@dataclass(frozen=True)
class JobWarning:
    """What a person should know about a job that can run nevertheless; the fields of core.events.JobWarning."""

    code: str
    message: str
    hint: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Queue:
    """Where a queued job stands: position 1 is next; workers of whom a sign of life is fresh, with the devices that the
    job asks for; `reason` says why it is not run where it does more than wait for its turn."""

    position: int
    eligible_workers: int
    reason: str | None


@dataclass(frozen=True)
class Standing:
    """What changes in a job: `version` counts every change but those of `runtime_seconds` and `queue`."""

    version: int
    done: bool
    runtime_seconds: float
    queue: Queue | None


@dataclass(frozen=True)
class Job:
    """A job as the outside sees it. `version` rises with every change of it but `queue` and
    `runtime_seconds`."""

    id: str
    kind: Kind
    name: str
    labels: dict[str, str]
    priority: int
    state: State
    phase: str | None
    progress: dict[str, Any] | None  # the fields of core.events.Progress, and updated_at
    spec: dict[str, Any]  # resolved where the engine has resolved it
    resolved: dict[str, Any] | None  # spec, dataset, student, teacher, teacher_validation_top1, estimate
    student: dict[str, Any] | None  # the fields of core.events.NetworkFacts
    result: dict[str, Any] | None
    error: dict[str, Any] | None  # code, category, message, hint
    warnings: tuple[JobWarning, ...]
    attempts: tuple[Attempt, ...]
    queue: Queue | None  # only while queued
    runtime_seconds: float  # over all attempts since submit or the last retry
    created_at: datetime
    started_at: datetime | None
    cancel_requested_at: datetime | None
    finished_at: datetime | None
    version: int
    tenant: str

    @property
    def done(self) -> bool:
        """Whether the job has come to an end."""
        return self.state in TERMINAL


@dataclass(frozen=True)
class Submitted:
    """The answer of submit: `created` is False where the idempotency key was known."""

    job: Job
    created: bool


@dataclass(frozen=True)
class Page:
    """Jobs, newest first; `next_cursor` goes into `after` for the next page."""

    jobs: tuple[Job, ...]
    has_more: bool
    next_cursor: str | None


@dataclass(frozen=True)
class JobVersion:
    """The version of a job, the `seq` of its latest event, and whether the job is done."""

    version: int
    last_seq: int
    done: bool


@dataclass(frozen=True)
class CheckpointRef:
    """Where a job can go on from: a blob, to be laid at `path` below the engine's out folder."""

    sha256: str
    path: str
    step: int


@dataclass(frozen=True)
class Lease:
    """The right to run a job until the lease runs out; every write of the holder shows `token`."""

    job_id: str
    kind: Kind
    token: int
    attempt: int
    spec: dict[str, Any]  # as submitted
    checkpoints: tuple[CheckpointRef, ...]  # to go on from: the last one, then the one before it
    runtime_seconds: float  # spent before this attempt
    max_runtime_seconds: float | None  # of the spec
    lease_seconds: float
    tenant: str = "default"


@dataclass(frozen=True)
class Beat:
    """The answer of a heartbeat."""

    held: bool
    asked: Asked | None  # what a client asked of the job while it ran


@dataclass(frozen=True)
class MetricPoint:
    """One value to be recorded; a NaN or infinite `value` and None are stored as a non-finite fact."""

    name: str
    step: int
    value: float | None
    at: datetime


@dataclass(frozen=True)
class LogLine:
    """One line to be recorded."""

    level: Literal["info", "warning", "error"]
    message: str
    at: datetime


@dataclass(frozen=True)
class NewEvent:
    """An event to be recorded, beside those that a transition writes itself."""

    kind: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Something that happened to a job; `seq` rises strictly within it."""

    seq: int
    attempt: int  # 0 before the first claim
    kind: str  # state, phase, resolved, warning, checkpoint, artifact, log, or what a worker recorded
    data: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class LoggedLine:
    """One log line of a job; `seq` is its event's, `at` the engine's clock."""

    seq: int
    attempt: int
    level: str
    message: str
    at: datetime


@dataclass(frozen=True)
class Point:
    """One value of a series; None where it was not finite."""

    step: int
    value: float | None
    at: datetime


@dataclass(frozen=True)
class Series:
    """The values of one metric by rising step."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Artifact:
    """A result file; its bytes are blobs.open_range(database, sha256, 0, size_bytes)."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True)
class Blob:
    """Whole content in the store, named by its sha256."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Ring:
    """A queued job for which a message is to be sent: what kind it is, and the devices that it asks for."""

    job_id: str
    kind: Kind
    devices: str


@dataclass(frozen=True)
class Worker:
    """A worker process as it announced itself; `alive` where a sign of life is fresh; `jobs` are those it holds;
    `unfit` is why its host cannot run jobs now, None where it can."""

    id: str
    host: str
    pid: int
    devices: tuple[str, ...]
    version: str
    slots: int
    started_at: datetime
    last_seen_at: datetime
    alive: bool
    draining: bool
    jobs: tuple[str, ...]
    unfit: str | None = None
    guards: Mapping[str, bool] = field(default_factory=dict)
    """Which bounds of its engines hold there, by name."""

    @property
    def state(self) -> WorkerState:
        """What it does, in one word."""
        if not self.alive:
            return "silent"
        if self.draining:
            return "draining"
        return "quarantined" if self.unfit else "busy" if self.jobs else "idle"


@dataclass(frozen=True)
class Catalogue:
    """What workers published under a name, such as students or teachers."""

    kind: str
    data: Any
    published_at: datetime
