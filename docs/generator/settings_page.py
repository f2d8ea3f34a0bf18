"""The page of an operator's settings."""

import json
from pathlib import Path

from docs.generator.markdown import cell, code, page, table, value
from docs.generator.schema import type_words
from store.settings import PREFIX, Settings

INTRODUCTION = """\
Settings are environment variables, read when a process starts. `retort settings` prints each of them with its value
in force; passwords are masked. Lists are written with commas. `retort up` sets `RETORT_DATA_DIR`,
`RETORT_DATABASE_URL`, `RETORT_BROKER_URL` and `RETORT_AUTHENTICATION` itself. The client reads
`RETORT_URL`, the address of the service, and `RETORT_API_KEY`."""


def settings_page() -> str:
    """One row a setting."""
    schema = Settings.model_json_schema()
    rows = []
    for name, field in Settings.model_fields.items():
        default = json.loads(json.dumps(field.default, default=_as_text))
        shown = ",".join(map(str, default)) if isinstance(default, list) else default
        kind = type_words(schema["properties"][name])
        rows.append([code(PREFIX + name.upper()), kind, value(shown), cell(field.description or "")])
    return page("Settings", INTRODUCTION, table(["variable", "type", "default", "meaning"], rows))


def _as_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a default of type {type(value).__name__} has no text")
