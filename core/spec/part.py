"""The base of all parts of a spec: frozen, without unknown fields, with strict numbers and booleans."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Auto = Literal["auto"]


def _strict(schema: Any) -> Any:
    """The schema with every int, float and bool made strict; nested parts are strict already."""
    if isinstance(schema, list | tuple):
        return type(schema)(_strict(item) for item in schema)
    if not isinstance(schema, dict) or schema.get("strict"):
        return schema
    changed = {key: _strict(value) for key, value in schema.items()}
    if schema.get("type") in ("int", "float", "bool"):
        changed["strict"] = True
    if schema.get("type") == "int":
        return core_schema.no_info_before_validator_function(_whole, changed)
    return changed


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Part(BaseModel):
    """A frozen piece of a JobSpec; refuses unknown fields, NaN and infinity, and values of another JSON type.

    Without this, pydantic accepts `true` and "3" as numbers, and 1 and "yes" as true. A number such as 3.0 is an
    integer, as in JSON Schema.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema of the model, its numbers and booleans strict."""
        schema: CoreSchema = _strict(handler(source))
        return schema
