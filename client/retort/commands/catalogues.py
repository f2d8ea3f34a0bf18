"""`retort methods | students | teachers`: what may be asked for."""

import json
from typing import Annotated, Any

import typer

from retort import output
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.models import MethodView


def methods(
    name: Annotated[str | None, typer.Argument(help="one method, with each of its knobs", show_default=False)] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List the methods, what they need and their knobs."""
    with connect(url) as retort:
        entries = retort.methods()
    chosen = [entry for entry in entries if name in (None, entry["name"])]
    if not chosen:
        raise ValueError(f"no method {name!r}; there are: {', '.join(entry['name'] for entry in entries)}")
    if as_json:
        output.machine(chosen if name is None else chosen[0])
    elif name is None:
        output.table(["method", "needs", "formula", "what it does", "knobs"], [_method(entry) for entry in entries])
    else:
        _show_method(chosen[0])


def students(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the student sizes with their parameters and multiply-accumulates."""
    with connect(url) as retort:
        entries = retort.students()
    _list(entries, as_json)


def teachers(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the teachers known by name."""
    with connect(url) as retort:
        entries = retort.teachers()
    _list(entries, as_json)


def _method(entry: MethodView) -> tuple[str, ...]:
    summary = " ".join(entry["summary"].split())
    return entry["name"], ", ".join(entry["needs"]), entry["fidelity"], summary, ", ".join(_knobs(entry))


def _show_method(entry: MethodView) -> None:
    alone = "no" if entry["can_be_combined"] else "yes"
    output.facts(
        [
            ("method", entry["name"]),
            ("what it does", " ".join(entry["summary"].split())),
            ("source", entry["source"]),
            ("formula", entry["fidelity"]),
            ("needs", ", ".join(entry["needs"])),
            ("only alone", alone),
        ]
    )
    print()
    knobs = _knobs(entry).items()
    rows = [(name, json.dumps(knob.get("default")), knob.get("description", "")) for name, knob in knobs]
    output.table(["knob", "default", "meaning"], rows)


def _knobs(entry: MethodView) -> dict[str, Any]:
    """The knobs by name, each as JSON Schema."""
    return {name: knob for name, knob in entry["knobs"].get("properties", {}).items() if name != "name"}


def _list(entries: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.machine(entries)
        return
    flat = [{key: value for key, value in entry.items() if not isinstance(value, dict)} for entry in entries]
    columns = list(dict.fromkeys(key for entry in flat for key in entry))
    output.table(columns, [[entry.get(column) for column in columns] for entry in entries])
