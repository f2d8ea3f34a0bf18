"""The metrics of a job, as JSON."""

from datetime import datetime

from pydantic import BaseModel, Field


class SeriesView(BaseModel):
    """The values of one metric: `[step, value, at]` by rising step; a value that was not finite is null."""

    name: str = Field(examples=["val/top1"])
    points: list[tuple[int, float | None, datetime]]


class SeriesList(BaseModel):
    """Metrics by name."""

    data: list[SeriesView]
