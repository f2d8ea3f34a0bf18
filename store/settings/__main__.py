"""The settings as a table for people, or as JSON; secrets masked. Run it as `python -m store.settings`."""

import argparse
import json
import os
import sys
import textwrap
from typing import Any

from pydantic import ValidationError

from store.settings import PREFIX, Settings, masked, unknown_variables

WIDTHS = (30, 40, 26)  # with two gaps of two: 100 columns


def rows(settings: Settings) -> list[dict[str, Any]]:
    """One {name, meaning, value, default} for each setting, values as text with secrets masked."""
    in_force = {"database_url": settings.url, "weights_shelf": settings.shelf}
    return [
        {
            "name": PREFIX + name.upper(),
            "meaning": field.description,
            "value": _text(in_force.get(name, getattr(settings, name))),
            "default": _text(field.default),
        }
        for name, field in Settings.model_fields.items()
    ]


def table(settings: Settings) -> str:
    """All settings, wrapped to 100 columns."""
    lines = _wrapped("NAME", "MEANING", "VALUE")
    for row in rows(settings):
        lines += _wrapped(row["name"], row["meaning"], row["value"])
    return "\n".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return masked(", ".join(map(str, value)) if isinstance(value, tuple) else str(value))


def _wrapped(*cells: str) -> list[str]:
    columns = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDTHS, strict=True)]
    height = max(len(column) for column in columns)
    padded = [column + [""] * (height - len(column)) for column in columns]
    lines = zip(*padded, strict=True)
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(line, WIDTHS, strict=True)).rstrip() for line in lines]


def main(arguments: list[str] | None = None) -> None:
    """Print the settings; exits 2 where one has a value that it cannot have."""
    parser = argparse.ArgumentParser(prog="python -m store.settings", description="Print every setting.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    chosen = parser.parse_args(arguments)
    for warning in unknown_variables(os.environ):
        print(f"warning: {warning}", file=sys.stderr)
    try:
        settings = Settings.load()
    except ValidationError as error:
        for item in error.errors():
            print(f"error: {PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}", file=sys.stderr)
        sys.exit(2)
    print(json.dumps(rows(settings), indent=2) if chosen.json else table(settings))


if __name__ == "__main__":
    main()
