"""Parses a client's JSON into a JobSpec, or into a list of all its errors, each with its JSON pointer."""

import json
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from core.errors import SpecInvalid, unknown
from core.spec import devices
from core.spec.job import JobSpec
from core.spec.teacher import SHA256
from core.spec.uris.credentials import SECRET_URI, credentials_in

MOST_EXPLAINED = 100  # a body of 70,000 unknown fields needs no 70,000 explanations
_FORMS = {
    devices.PATTERN: devices.ALLOWED,
    SHA256: "64 digits from 0 to 9 and a to f",
    SECRET_URI: "secret://NAME, where NAME is the name of a stored secret",
}
"""Regular expression of a field -> the texts that it allows, in words."""
EMPTIED = "after validation, not 0"


def parse_job(data: Any) -> JobSpec:
    """The JobSpec of `data` (decoded JSON); raises SpecInvalid with one entry for each wrong value."""
    try:
        return JobSpec.model_validate(data)
    except ValidationError as error:
        found = (_as_written(data, entry) for item in error.errors()[:MOST_EXPLAINED] for entry in _explain(item))
        raise SpecInvalid(_merge(found)) from None


def explain(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, str]]:
    """What is wrong with a document of `model`, as (JSON pointer, sentence)."""
    items = error.errors()[:MOST_EXPLAINED]
    return _merge(entry for item in items for entry in _explain(item, model))


def _as_written(data: Any, item: tuple[str, str]) -> tuple[str, str]:
    """The pointer into the list that the client wrote, instead of the combination that it is short for."""
    pointer, detail = item
    if isinstance(data, dict) and isinstance(data.get("method"), list):
        pointer = pointer.replace("/method/terms/", "/method/")
    return pointer, detail


def _explain(item: Any, model: type[BaseModel] = JobSpec) -> list[tuple[str, str]]:
    if item["type"] == "misfit":  # parts that do not fit each other: the validator of the whole names the wrong ones
        return list(item["ctx"]["misfits"])
    return [_explain_one(item, model)]


def _explain_one(item: Any, of: type[BaseModel]) -> tuple[str, str]:
    path, model = _walk(item["loc"], of)
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    if item["type"] == "extra_forbidden" and model is not None:
        return pointer, unknown("field", str(path[-1]), model.model_fields, most_listed=24)
    if item["type"] == "missing":
        return pointer, "is required"
    if item["type"] == "string_pattern_mismatch":
        return pointer, f"{item['input']!r} is not allowed; allowed: {_FORMS[item['ctx']['pattern']]}"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] != "value_error" and not isinstance(item["input"], dict | list):
        message += f", not {_shown(item['input'])}"
    return pointer, message


def _shown(value: Any) -> str:
    """A value as the client wrote it: JSON's null, true and false, else Python's notation; no URI with credentials."""
    if isinstance(value, str) and credentials_in(value) is not None:
        return "a URI with credentials"
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


def _walk(loc: tuple[int | str, ...], of: type[BaseModel]) -> tuple[list[int | str], type[BaseModel] | None]:
    """Drop from a pydantic location what is no key of the document (union tags); the model that holds the last key."""
    path: list[int | str] = []
    holder: type[BaseModel] | None = None
    models: list[type[BaseModel]] = [of]
    is_key = False
    for part in loc:
        if isinstance(part, int) and models:  # an item of a list
            path.append(part)
            continue
        tagged = [
            model
            for model in models
            if getattr(model.model_fields.get("name"), "default", None) == part and len(models) > 1
        ]
        if tagged:
            models = tagged
            continue
        owner = next((model for model in models if part in model.model_fields), None)
        if owner is None and not models and path:
            if is_key or not (isinstance(part, str) and _is_union_label(part)):
                path.append(part)
            is_key = False
            continue
        path.append(part)
        holder = owner or (models[0] if models else None)
        annotation = owner.model_fields[str(part)].annotation if owner else None
        models = _models_in(annotation)
        is_key = get_origin(annotation) is dict  # in a mapping, the next part is a key that the client chose
    return path, holder


def _is_union_label(part: str) -> bool:
    """Whether this part of a location is pydantic's label of a union member, such as `int` or `literal['auto']`."""
    return part.removeprefix("constrained-") in {"int", "float", "str", "bool", "none"} or "[" in part


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple):
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []


def _merge(items: Any) -> list[tuple[str, str]]:
    """One entry for each value: the members of a union each report the same value. A list with wrong items is not
    reported as too short as well.
    """
    merged: dict[str, list[str]] = {}
    for pointer, detail in items:
        merged.setdefault(pointer, []).append(detail)
    return [
        (pointer, _joined(list(dict.fromkeys(details))))
        for pointer, details in merged.items()
        if not (details[0].endswith(EMPTIED) and any(other.startswith(f"{pointer}/") for other in merged))
    ]


def _joined(details: list[str]) -> str:
    """The errors of a value in one sentence that names the value once."""
    _, comma, value = details[-1].rpartition(", not ")
    ending = comma + value
    if comma and all(detail.endswith(ending) for detail in details):
        return "; or ".join([*(detail.removesuffix(ending) for detail in details[:-1]), details[-1]])
    return "; or ".join(details)
