"""The page of the events that an engine writes, one JSON object a line."""

from typing import get_args

from core.events import Event
from docs.generator.markdown import page
from docs.generator.schema import fields_table

INTRODUCTION = """\
`python -m core --events json` writes one JSON object a line. A worker reads them and stores them; `GET
/v1/jobs/{id}/events` answers with those that concern a client, in the shape of [EventView](http.md#eventview).
Every event has `at`, a time in UTC (RFC 3339)."""


def events_page() -> str:
    """One section an event, then the objects that events contain."""
    kinds = get_args(get_args(Event)[0])
    schemas = [kind.model_json_schema(mode="serialization") for kind in kinds]
    parts = {name: one for schema in schemas for name, one in schema.get("$defs", {}).items()}
    events = [_section(schema["properties"]["event"]["const"], schema, leave_out=("at", "event")) for schema in schemas]
    return page("Events", INTRODUCTION, *events, *(_section(name, one) for name, one in parts.items()))


def _section(title: str, schema: dict[str, str], leave_out: tuple[str, ...] = ()) -> list[str]:
    summary = " ".join(schema.get("description", "").split())
    return [f"## {title}", "", summary, "", *fields_table(schema, leave_out=leave_out)]
