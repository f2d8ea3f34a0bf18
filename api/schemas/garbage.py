"""What nobody needs any more, as JSON."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class GarbageView(BaseModel):
    """One kind of thing in one place."""

    model_config = ConfigDict(from_attributes=True)

    place: str = Field(description="database, or host:folder of a worker's data folder, which its workers sweep")
    kind: str = Field(description="such as events, checkpoints, files, or a folder of a worker's cache")
    reason: str = Field(description="why it is removed")
    due_count: int = Field(description="what is removed with the next sweep")
    due_bytes: int
    kept_count: int = Field(description="what stayed after the latest sweep; 0 where that is not counted")
    kept_bytes: int
    removed_count: int = Field(description="since the first sweep")
    removed_bytes: int
    at: datetime | None = Field(None, description="of the latest sweep")


class GarbageList(BaseModel):
    """All kinds, the database's first."""

    data: list[GarbageView]
