"""`retort methods | students | teachers | workers`: what may be asked for, and who computes."""

import fnmatch
import json
from typing import Annotated, Any

import typer

from retort import output, units
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.models import MethodView, WorkerView
from retort.tables import Column, show_table

TEACHERS_SHOWN = 30

METHOD_COLUMNS = (Column("method"), Column("needs", narrow="fold"), Column("what it does", narrow="fold"))
KNOB_COLUMNS = (Column("knob"), Column("default", narrow="fold"), Column("meaning", narrow="fold"))
STUDENT_COLUMNS = (
    Column("size"),
    Column("inputs"),
    Column("architecture", narrow="cut"),
    Column("params", right=True),
    Column("MACs", right=True),
    Column("bytes", right=True),
    Column("pixels", right=True),
    Column("weights"),
)
TEACHER_COLUMNS = (
    Column("architecture", narrow="fold"),
    Column("params", right=True),
    Column("MACs", right=True),
    Column("pixels", right=True),
    Column("classes", right=True),
    Column("weights"),
)
WORKER_COLUMNS = (
    Column("worker", narrow="fold"),
    Column("host", narrow="cut"),
    Column("devices", narrow="fold"),
    Column("slots", right=True),
    Column("state"),
    Column("jobs", narrow="fold"),
    Column("seen", right=True),
    Column("version"),
)


def methods(
    name: Annotated[str | None, typer.Argument(help="one method, with each of its knobs", show_default=False)] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List the methods, or show one with its knobs."""
    with connect(url) as retort:
        entries = retort.methods()
    chosen = [entry for entry in entries if name in (None, entry["name"])]
    if not chosen:
        raise ValueError(f"no method {name!r}; there are: {', '.join(entry['name'] for entry in entries)}")
    if as_json:
        output.machine(chosen if name is None else chosen[0])
    elif name is None:
        rows = [(entry["name"], ", ".join(entry["needs"]), _summary(entry)) for entry in entries]
        show_table(METHOD_COLUMNS, rows)
    else:
        _show_method(chosen[0])


def students(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the student sizes with what they cost."""
    with connect(url) as retort:
        entries = retort.students()
    rows = [
        (
            entry.get("size"),
            entry.get("inputs"),
            entry["architecture"],
            units.count(entry.get("num_params")),
            units.count(entry.get("macs")),
            units.size(entry.get("bytes")),
            entry.get("input_size"),
            entry.get("weights"),
        )
        for entry in entries
    ]
    output.machine(entries) if as_json else show_table(STUDENT_COLUMNS, rows)


def teachers(
    pattern: Annotated[
        str | None, typer.Argument(help="part of the name, such as resnet50 or 'timm/vit*'", show_default=False)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"how many, 0 for all; default {TEACHERS_SHOWN}, and all with --json", show_default=False
        ),
    ] = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List the teachers known by name."""
    with connect(url) as retort:
        entries = retort.teachers()
    found = [entry for entry in entries if pattern is None or _matches(entry["architecture"], pattern)]
    if not found:
        raise ValueError(f"none of {len(entries):,} teachers has {pattern!r} in its name")
    most = limit if limit is not None else 0 if as_json else TEACHERS_SHOWN
    shown = found[:most] if most else found
    if as_json:
        output.machine(shown)
        return
    show_table(TEACHER_COLUMNS, [_teacher(entry) for entry in shown])
    if len(shown) < len(found):
        output.notice(f"{len(shown)} of {len(found):,}; `retort teachers TEXT` filters, --limit 0 lists all")


def workers(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the workers that run jobs, the oldest first."""
    with connect(url) as retort:
        found = retort.workers()
    output.machine(found) if as_json else show_table(WORKER_COLUMNS, [_worker(one) for one in found])


def _matches(name: str, pattern: str) -> bool:
    name, pattern = name.lower(), pattern.lower()
    return fnmatch.fnmatchcase(name, pattern) if any(sign in pattern for sign in "*?[") else pattern in name


def _summary(entry: MethodView) -> str:
    return " ".join(entry["summary"].split())


def _show_method(entry: MethodView) -> None:
    output.facts(
        [
            ("method", entry["name"]),
            ("what it does", _summary(entry)),
            ("source", entry["source"]),
            ("formula", entry["fidelity"]),
            ("needs", ", ".join(entry["needs"])),
            ("only alone", "no" if entry["can_be_combined"] else "yes"),
        ]
    )
    output.line("")
    knobs = entry["knobs"].get("properties", {}).items()
    rows = [(name, json.dumps(knob.get("default")), knob.get("description")) for name, knob in knobs if name != "name"]
    show_table(KNOB_COLUMNS, rows)


def _teacher(entry: dict[str, Any]) -> tuple[Any, ...]:
    return (
        entry["architecture"],
        units.count(entry.get("num_params")),
        units.count(entry.get("macs")),
        entry.get("input_size"),
        entry.get("num_classes"),
        entry.get("weights"),
    )


def _worker(worker: WorkerView) -> tuple[Any, ...]:
    devices = ", ".join(worker["devices"])
    seen = units.age(worker["last_seen_at"])
    return (
        worker["id"],
        worker["host"],
        devices,
        worker["slots"],
        worker["state"],
        _job_ids(worker),
        seen,
        worker["version"],
    )


def _job_ids(worker: WorkerView) -> str | None:
    return ", ".join(worker["jobs"]) or None
