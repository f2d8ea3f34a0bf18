"""What the service says about itself, as JSON: problems, workers, methods, catalogues, health."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.spec.knobs import Fidelity, Need
from store.states import WorkerState


class ProblemPlace(BaseModel):
    """One place that is to blame."""

    pointer: str = Field(description="JSON pointer into the body; /query/<name> and the like for parameters")
    detail: str


class ProblemView(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = Field(description="names the value and what was allowed")
    code: str = Field(description="stable; what programs should look at")
    errors: list[ProblemPlace]
    instance: str = Field(description="ends with the request id under which the server's log knows this occurrence")


class WorkerView(BaseModel):
    """A worker process as it announced itself."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    host: str
    pid: int
    devices: list[str]
    version: str
    slots: int = Field(description="jobs it runs at once")
    started_at: datetime
    last_seen_at: datetime
    alive: bool = Field(description="whether a sign of life is fresh")
    state: WorkerState = Field(
        description="draining: it is about to stop and takes no more jobs; quarantined: its host cannot run jobs now"
    )
    unfit: str | None = Field(None, description="why its host cannot run jobs now; it takes none meanwhile")
    jobs: list[str] = Field(description="ids of the jobs that it holds")
    guards: dict[str, bool] = Field(
        description="which bounds of its engines hold there: own_user, worker_hidden, network_filter, memory_limit"
    )


class WorkerList(BaseModel):
    """Workers, the oldest first."""

    data: list[WorkerView]


class MethodView(BaseModel):
    """A way to teach the student."""

    name: str
    summary: str
    source: str = Field(description="the paper or practice it comes from")
    fidelity: Fidelity = Field(description="how sure we are of that")
    needs: list[Need] = Field(description="what a job must have; of a combination, what its terms need besides")
    can_be_combined: bool = Field(description="whether it can be one of several in a job's `method`")
    takes_more_teachers: bool = Field(description="whether it learns from all of `more_teachers` at once")
    knobs: dict[str, Any] = Field(description="JSON Schema of the method's object in a job")


class MethodList(BaseModel):
    """The methods on offer."""

    data: list[MethodView]


class CatalogueView(BaseModel):
    """Networks that workers offer, with their sizes."""

    data: list[dict[str, Any]] = Field(
        description="architecture, num_params, macs, and more; `weights` says where pretrained weights are: shelf "
        "(of the operator), download (from the library), or none"
    )
    published_at: datetime
    note: str | None = None


class HealthView(BaseModel):
    """Whether the server can do its work."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ok"]


class ReadinessView(BaseModel):
    """Whether jobs are taken, and whether anyone would run them."""

    status: Literal["ready"]
    database: Literal["reachable"]
    blob_store: Literal["database", "reachable", "unreachable"] = Field(
        description="where artifacts are; unreachable: jobs are accepted, and downloads answer 503"
    )
    schema_current: bool
    workers_alive: int = Field(description="0: jobs are accepted and wait")
    workers_quarantined: int = Field(description="of those alive: their hosts cannot run jobs now")
