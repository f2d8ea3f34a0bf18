"""`--set path=value`: one field of a job's document, set by its path.

The `retort` command has the same option without importing the engine; `tests/client/test_assignments.py` holds both to
one table.
"""

import json
from typing import Any

from core.errors import SpecInvalid
from core.spec.job import SHORTHANDS


def assign(document: dict[str, Any], assignment: str) -> None:
    """Carry out one assignment, such as `training.epochs=3` or `method.1.weight=2`; the value is JSON, or else a word.

    Objects on the way are made. A string that stands for an object (`"student": "nano"`) becomes that object. A number
    counts the items of a list from 0. Raises SpecInvalid for an assignment that cannot be carried out.
    """
    path, equals, text = assignment.partition("=")
    names = path.split(".")
    if not equals or not all(names):
        raise _invalid(assignment, "write PATH=VALUE, such as training.epochs=3")
    holder: Any = document
    for depth, name in enumerate(names[:-1]):
        key = _key(holder, name, assignment)
        inside = holder[key] if isinstance(holder, list) else holder.get(key)
        if isinstance(inside, str) and (depth == 0 or isinstance(holder, list)):
            inside = _long_form(names[0], inside, assignment)
        inside = {} if inside is None else inside
        if not isinstance(inside, dict | list):
            raise _invalid(assignment, f"{'.'.join(names[: depth + 1])} is {inside!r}, which has no fields")
        holder[key] = inside
        holder = inside
    holder[_key(holder, names[-1], assignment)] = _decoded(text)


def _long_form(part: str, text: str, assignment: str) -> Any:
    try:
        return SHORTHANDS[part](text) if part in SHORTHANDS else text
    except ValueError as error:
        raise _invalid(assignment, str(error)) from None


def _key(holder: Any, name: str, assignment: str) -> Any:
    """How `name` is looked up in an object or a list."""
    if not isinstance(holder, list):
        return name
    if not (name.isascii() and name.isdecimal()) or int(name) >= len(holder):
        raise _invalid(assignment, f"{name!r} is none of 0 to {len(holder) - 1} of {json.dumps(holder)}")
    return int(name)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_json)
    except ValueError:
        return text


def _no_json(word: str) -> Any:
    """NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(word)


def _invalid(assignment: str, reason: str) -> SpecInvalid:
    return SpecInvalid([("", f"--set {assignment}: {reason}")])
