"""The log lines of a job, as JSON."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
