"""The result files of a job, as JSON."""

from datetime import datetime

from pydantic import BaseModel, Field


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
