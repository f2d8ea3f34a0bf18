"""The events of a job, as JSON."""

from datetime import datetime
from typing import Any

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
