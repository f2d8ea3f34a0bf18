"""What commands print: JSON for machines on standard output and nothing else, or tables and lines for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

people = Console(highlight=False)
# Wider than any terminal: a table whose numbers are folded can be neither read nor copied.
wide = Console(highlight=False, width=240)


def machine(value: Any) -> None:
    """One JSON value on one line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def complain(text: str) -> None:
    """A sentence on standard error, as written."""
    print(f"retort: {text}", file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[str] = ()) -> None:
    """A plain table; columns named in `right` hold numbers."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    wide.print(drawn)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """One fact a line, its name first; facts without a value are left out."""
    kept = [(name, value) for name, value in pairs if value not in (None, "", {}, [])]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        people.print(f"{name:<{width}}  {value}", soft_wrap=True, markup=False)


def age(moment: str) -> str:
    """How long ago an RFC 3339 moment was, in its largest unit."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(seconds, 0):.0f}s"


def count(number: float | None) -> str:
    """A large number for people: 1.23 M."""
    if number is None:
        return "-"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal."""
    return "-" if fraction is None else f"{100 * fraction:.1f}%"


def method(spec: Any) -> str:
    """The method of a job for people: kd, or kd + skd where terms are added up."""
    terms = spec if isinstance(spec, list) else (spec.get("terms") or [spec]) if isinstance(spec, dict) else [spec]
    return " + ".join(term["name"] if isinstance(term, dict) else str(term) for term in terms)


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)
