"""Query parameters that several routes share; an unknown parameter is refused."""

from pydantic import BaseModel, ConfigDict, Field

# The largest row number of a database.
MAX_ROW_NUMBER = 2**63 - 1


class Parameters(BaseModel):
    """The query of one route."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Parameters):
    """Which entries to read of a list that is numbered by `seq`."""

    after: int = Field(0, ge=0, le=MAX_ROW_NUMBER, description="only entries with a `seq` above this one")
    limit: int = Field(100, ge=1, le=1000)
