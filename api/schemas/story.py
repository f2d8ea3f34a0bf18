"""What happened to a job and what came of it, as JSON: events, log lines, metrics, artifacts."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class EventView(BaseModel):
    """Something that happened to a job."""

    model_config = ConfigDict(from_attributes=True)

    seq: int = Field(description="rises strictly within a job; the id of a server-sent event")
    attempt: int = Field(0, description="0 before the first worker")
    kind: str = Field(description="state, phase, resolved, checkpoint, artifact, log, ...")
    data: dict[str, Any]
    at: datetime


class EventPage(BaseModel):
    """Events in order."""

    data: list[EventView]
    has_more: bool
    next_cursor: int | None = Field(None, description="goes into `after` for the next page")


class LogView(BaseModel):
    """One line for a person."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    attempt: int
    level: Literal["info", "warning", "error"]
    message: str
    at: datetime


class LogPage(BaseModel):
    """Log lines in order."""

    data: list[LogView]
    has_more: bool
    next_cursor: int | None = Field(None, description="goes into `after` for the next page")


class SeriesView(BaseModel):
    """The values of one metric: `[step, value, at]` by rising step; a value that was not finite is null."""

    name: str = Field(examples=["val/top1"])
    points: list[tuple[int, float | None, datetime]]


class SeriesList(BaseModel):
    """Metrics by name."""

    data: list[SeriesView]


class ArtifactView(BaseModel):
    """A result file."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    href: str = Field(description="where to GET the bytes")


class ArtifactList(BaseModel):
    """Result files by name."""

    data: list[ArtifactView]
