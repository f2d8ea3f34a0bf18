"""What all parts of a spec share: frozen, and no unknown fields."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Auto = Literal["auto"]


class Part(BaseModel):
    """A frozen piece of a JobSpec; refuses unknown fields, NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
