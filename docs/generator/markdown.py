"""Markdown as text: tables and code words, with every character escaped that Markdown would read as its own."""

import json
from collections.abc import Iterable, Sequence
from typing import Any


def cell(text: str) -> str:
    """Text inside of a table: one line, without a bar that would end the cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: str) -> str:
    """Text as code inside of a table."""
    return f"`{' '.join(text.split())}`".replace("|", "\\|")


def value(plain: Any) -> str:
    """A JSON value as code; a string without its quotes."""
    return code(plain if isinstance(plain, str) and plain else json.dumps(plain))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; cells are Markdown already."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def page(title: str, introduction: str, *sections: Sequence[str]) -> str:
    """A whole page, marked as generated."""
    lines = [f"# {title}", "", "<!-- Generated from the code by `make docs`: do not edit. -->", "", introduction, ""]
    for section in sections:
        lines += [*section, ""]
    return "\n".join(lines).rstrip() + "\n"
