"""Uploaded datasets as JSON."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DatasetView(BaseModel):
    """An uploaded dataset, or one that is being uploaded."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    uri: str = Field(description="what a job writes as its dataset")
    name: str
    filename: str = Field(description="of the archive; a folder comes as a tar")
    state: Literal["uploading", "ready"] = Field(description="jobs may name it once it is ready")
    size_bytes: int
    received_bytes: int
    sha256: str | None = Field(description="of all bytes; null until they are there, unless the client has said it")
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class DatasetPage(BaseModel):
    """Datasets, the newest first."""

    data: list[DatasetView]
    has_more: bool
    next_cursor: str | None
