"""From the options of `retort submit` to the JSON of a job spec, which the service checks.

`tests/client/test_assignments.py` holds `--set` to the same table as `python -m core`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# The key that a bare string stands for, where an option says more about the same part.
SHORTHANDS = {
    "teacher": lambda text: {"weights": text} if _has_scheme(text) else {"architecture": text},
    "more_teachers": lambda text: {"weights": text} if _has_scheme(text) else {"architecture": text},
    "dataset": lambda text: {"uri": text},
    "student": lambda text: {"architecture": text} if "/" in text else {"size": text},
    "method": lambda text: {"name": text},
}


def combine(
    spec: str | None, fields: Mapping[str, Any], assignments: Sequence[str], *, labels: Sequence[str] = ()
) -> dict[str, Any]:
    """The spec of a file, then the fields by path (`dataset.classes`; None says nothing), then the assignments: later
    wins. Raises ValueError.
    """
    body = read_spec(spec) if spec else {}
    for path, value in fields.items():
        if value is not None:
            put(body, path.split("."), value)
    if labels:
        body["labels"] = {**body.get("labels", {}), **pairs(labels, "--label")}
    for assignment in assignments:
        assign(body, assignment)
    if not body:
        raise ValueError("nothing to submit; give at least --dataset and --student, or --spec FILE")
    return body


def read_spec(source: str) -> dict[str, Any]:
    """The spec in a JSON file, or on standard input where `source` is `-`. Raises ValueError."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        spec = json.loads(text)
    except OSError as error:
        raise ValueError(f"--spec {source}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"--spec {source} is no JSON: {error}") from None
    if not isinstance(spec, dict):
        raise ValueError(f"--spec {source} holds a JSON {type(spec).__name__}, not an object")
    return spec


def as_uri(text: str) -> str:
    """A path on this machine as a file:// URI; what has a scheme already is left alone. Raises ValueError."""
    if _has_scheme(text):
        return text
    path = Path(text).expanduser()
    if not path.exists():
        raise ValueError(
            f"there is no file or folder {text!r} here; anything else is written with its scheme, like s3://"
        )
    return path.resolve().as_uri()


def assign(spec: dict[str, Any], assignment: str) -> None:
    """Carry out one `--set path=value`, such as training.epochs=30; the value is JSON, or else a string."""
    path, equals, text = assignment.partition("=")
    if not equals or not all(path.split(".")):
        raise ValueError(f"--set {assignment!r} is not like training.epochs=30")
    put(spec, path.split("."), _decoded(text))


def put(spec: dict[str, Any], path: list[str], value: Any) -> None:
    """Set the value at a path; parts on the way are made, a shorthand string becomes the object it stands for.

    A number counts the items of a list from 0. Raises ValueError where there is nothing to set inside of.
    """
    holder: Any = spec
    for depth, name in enumerate(path[:-1]):
        key = _key(holder, name, path)
        inside = holder[key] if isinstance(holder, list) else holder.get(key)
        if isinstance(inside, str) and path[0] in SHORTHANDS and (depth == 0 or isinstance(holder, list)):
            inside = SHORTHANDS[path[0]](inside)
        if inside is None:
            inside = {}
        if not isinstance(inside, dict | list):
            raise ValueError(f"cannot set {'.'.join(path)}: {'.'.join(path[: depth + 1])} is {inside!r}")
        holder[key] = inside
        holder = inside
    holder[_key(holder, path[-1], path)] = value


def _key(holder: Any, name: str, path: list[str]) -> Any:
    """How `name` is looked up in an object or a list."""
    if not isinstance(holder, list):
        return name
    if not (name.isascii() and name.isdecimal()) or int(name) >= len(holder):
        listed = ", ".join(json.dumps(item) for item in holder)
        raise ValueError(f"cannot set {'.'.join(path)}: {name!r} is none of 0 to {len(holder) - 1} of [{listed}]")
    return int(name)


def pairs(options: Sequence[str], option: str) -> dict[str, str]:
    """`key=value` options as a dictionary."""
    split = [text.partition("=") for text in options]
    for text, (key, equals, _) in zip(options, split, strict=True):
        if not key or not equals:
            raise ValueError(f"{option} {text!r} is not like key=value")
    return {key: value for key, _, value in split}


def _decoded(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_json)
    except ValueError:
        return text


def _no_json(word: str) -> Any:
    """NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(word)


def _has_scheme(text: str) -> bool:
    scheme, colon, _ = text.partition(":")
    return bool(colon) and scheme.isalnum() and len(scheme) > 1
